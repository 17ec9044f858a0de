#include "cpu/layout/canonical.h"

#include <algorithm>

namespace vqt::cpu {
namespace {

constexpr int64_t kNibblesAtOnce = 512;

template <class T>
void dequantize_bytes(const T* q, int64_t count, float scale, int32_t zero, float* out) {
  for (int64_t i = 0; i < count; ++i) out[i] = static_cast<float>(static_cast<int32_t>(q[i]) - zero) * scale;
}

int8_t nibble(const uint8_t* row, int64_t k, int32_t flip) {  // two's complement: (nibble ^ 8) - 8
  return static_cast<int8_t>(((row[k / 2] >> (k % 2 * 4) & 15) ^ flip) - flip);
}

void dequantize_nibbles(const uint8_t* row, int64_t k, int64_t count, bool symmetric, float scale,
                        int32_t zero, float* out) {
  const int32_t flip = symmetric ? 8 : 0;
  int8_t values[kNibblesAtOnce];
  while (count > 0) {
    const int64_t n = std::min(kNibblesAtOnce, count);
    int64_t i = 0;
    if (k % 2 != 0) values[i++] = nibble(row, k, flip);
    const uint8_t* in = row + (k + i) / 2;
    for (; i + 2 <= n; i += 2, ++in) {
      values[i] = static_cast<int8_t>(((*in & 15) ^ flip) - flip);
      values[i + 1] = static_cast<int8_t>(((*in >> 4) ^ flip) - flip);
    }
    if (i < n) values[i] = nibble(row, k + i, flip);
    dequantize_bytes(values, n, scale, zero, out);
    out += n;
    k += n;
    count -= n;
  }
}

}  // namespace

void dequantize_values(const void* row, int64_t k, int64_t count, int64_t bits, bool symmetric, float scale,
                       int32_t zero, float* out) {
  if (bits == 4) {
    dequantize_nibbles(static_cast<const uint8_t*>(row), k, count, symmetric, scale, zero, out);
  } else if (bits == 16) {
    dequantize_bytes(static_cast<const int16_t*>(row) + k, count, scale, zero, out);
  } else if (symmetric) {
    dequantize_bytes(static_cast<const int8_t*>(row) + k, count, scale, zero, out);
  } else {
    dequantize_bytes(static_cast<const uint8_t*>(row) + k, count, scale, zero, out);
  }
}

}  // namespace vqt::cpu
