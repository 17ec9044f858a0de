// The specification: three plain loops over the packed layout. Every other kernel gives these bits.
#include "cpu/gemm/epilogue_ref.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {

void linear_int8_ref(const LinearInt8Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt8Ref);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      const int8_t* w = a.w + c / kPanel * kPanel * a.w_depth() + c % kPanel * 4;
      // unsigned: int32 arithmetic that may wrap on the way
      uint32_t dot = 0;
      for (int64_t k = 0; k < a.k; ++k) {
        dot += uint32_t(int32_t(a.x.value(r, k)) * w[k / 4 * kPanel * 4 + k % 4]);
      }
      const uint32_t x_zero = uint32_t(a.x.zero[r]);
      dot -= x_zero * uint32_t(a.w_sum[c]);
      if (a.w_zero != nullptr) dot -= uint32_t(a.w_zero[c]) * (uint32_t(a.x.sum[r]) - uint32_t(a.k) * x_zero);
      finish(a.out, r, c, float(int32_t(dot)) * a.w_scale[c] * a.x.scale[r]);
    }
  }
}

}  // namespace vqt::cpu
