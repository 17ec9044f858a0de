#include "cpu/linear/linear_canonical_kernel.h"

#include <algorithm>
#include <vector>

#include "cpu/gemm/epilogue_ref.h"
#include "cpu/linear/linear_kernel.h"

namespace vqt::cpu {
namespace {

// Row `row` of W as integers.
void integers(const LinearCanonicalJob& a, int64_t row, int32_t* out) {
  for (int64_t k = 0; k < a.k; ++k) {
    if (a.bits == 8) {
      const uint8_t byte = static_cast<const uint8_t*>(a.w)[row * a.k + k];
      out[k] = a.symmetric ? static_cast<int8_t>(byte) : byte;
    } else {
      const int32_t nibble =
          static_cast<const uint8_t*>(a.w)[row * ((a.k + 1) / 2) + k / 2] >> k % 2 * 4 & 15;
      out[k] = a.symmetric && nibble >= 8 ? nibble - 16 : nibble;
    }
  }
}

}  // namespace

void linear_canonical(const LinearCanonicalJob& a, Range rows, Range columns) {
  count_run(LinearKernel::kCanonical);
  std::vector<int32_t> w(a.k);
  for (int64_t c = columns.begin; c < columns.end; ++c) {
    integers(a, c, w.data());
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      float sum = 0.0f;
      for (int64_t k = 0; k < a.k;) {
        const int64_t index = (c * a.width + k) / a.run;
        const int64_t end = std::min((index + 1) * a.run - c * a.width, a.k);
        int64_t dot = 0;
        for (; k < end; ++k) dot += int64_t{a.x.value(r, k) - a.x.zero[r]} * (w[k] - a.w_zero[index]);
        sum += a.w_scale[index] * static_cast<float>(dot);
      }
      finish(a.out, r, c, sum * a.x.scale[r]);
    }
  }
}

}  // namespace vqt::cpu
