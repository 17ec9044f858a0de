// Plain loops that the compiler vectorises; memory and the division set their speed.
#include "cpu/quantize/quantize_kernel.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "cpu/layout/canonical.h"

namespace vqt::cpu {
namespace {

// x / scale, then with asymmetric values + zero, rounded once. Clamped before the conversion, which is
// undefined for 1e30. Adding 1.5 * 2^23 leaves no bits for a fraction and so rounds half to even: |v| is
// at most 32767.
template <bool kAsymmetric, class T>
void quantize_values(const float* x, int64_t count, float scale, float zero, float low, float high, T* q) {
  constexpr float kRound = 12582912.0f;
  for (int64_t i = 0; i < count; ++i) {
    float v = x[i] / scale;
    if (kAsymmetric) v += zero;
    v = v < low ? low : v;
    v = v > high ? high : v;
    q[i] = static_cast<T>(static_cast<int32_t>((v + kRound) - kRound));
  }
}

bool all_finite(const float* x, int64_t count) {
  int32_t largest = 0;  // of the bits of |x|: ordered like |x|, with Inf and NaN on top
  for (int64_t i = 0; i < count; ++i) {
    int32_t bits;
    std::memcpy(&bits, x + i, sizeof bits);
    bits &= 0x7fffffff;
    largest = bits > largest ? bits : largest;
  }
  return largest < 0x7f800000;
}

template <class T>
void quantize_row(const Quantized& a, const float* x, int64_t row, T* q) {
  const float high = a.symmetric ? static_cast<float>((int64_t{1} << (a.bits - 1)) - 1)
                                 : static_cast<float>((int64_t{1} << a.bits) - 1);
  const float low = a.symmetric ? -high : 0.0f;
  for (int64_t k = 0; k < a.k;) {
    const int64_t index = (row * a.width + k) / a.run;  // a run may begin and end inside a row
    const int64_t count = std::min((index + 1) * a.run - row * a.width, a.k) - k;
    const auto values = a.symmetric ? quantize_values<false, T> : quantize_values<true, T>;
    const float zero = a.zero != nullptr ? static_cast<float>(a.zero[index]) : 0.0f;
    values(x + k, count, a.scale[index], zero, low, high, q + k);
    k += count;
  }
}

// Two values a byte, low nibble first; values[k] is 0 where k is odd.
void pack_nibbles(const int8_t* values, int64_t k, uint8_t* q) {
  for (int64_t i = 0; i < (k + 1) / 2; ++i) {
    q[i] = static_cast<uint8_t>((values[2 * i] & 15) | (values[2 * i + 1] & 15) << 4);
  }
}

}  // namespace

bool quantize_weight_rows(const Quantized& a, const float* x, int64_t row_begin, int64_t row_end, void* q) {
  std::vector<int8_t> scratch(a.bits == 4 ? a.k + 1 : 0);  // the last value stays 0
  for (int64_t row = row_begin; row < row_end; ++row) {
    const float* values = x + row * a.k;
    if (!all_finite(values, a.k)) return false;
    if (a.bits == 4) {
      quantize_row(a, values, row, scratch.data());
      pack_nibbles(scratch.data(), a.k, static_cast<uint8_t*>(q) + row * ((a.k + 1) / 2));
    } else if (a.bits == 16) {
      quantize_row(a, values, row, static_cast<int16_t*>(q) + row * a.k);
    } else if (a.symmetric) {
      quantize_row(a, values, row, static_cast<int8_t*>(q) + row * a.k);
    } else {
      quantize_row(a, values, row, static_cast<uint8_t*>(q) + row * a.k);
    }
  }
  return true;
}

void dequantize_weight_rows(const Quantized& a, const void* q, int64_t row_begin, int64_t row_end,
                            float* out) {
  const int64_t row_bytes = a.bits == 4 ? (a.k + 1) / 2 : a.k * (a.bits / 8);
  for (int64_t row = row_begin; row < row_end; ++row, out += a.k) {
    const uint8_t* values = static_cast<const uint8_t*>(q) + row * row_bytes;
    for (int64_t k = 0; k < a.k;) {
      const int64_t index = (row * a.width + k) / a.run;
      const int64_t count = std::min((index + 1) * a.run - row * a.width, a.k) - k;
      const int32_t zero = a.zero != nullptr ? a.zero[index] : 0;
      dequantize_values(values, k, count, a.bits, a.symmetric, a.scale[index], zero, out + k);
      k += count;
    }
  }
}

}  // namespace vqt::cpu
