// The specification: plain loops over the packed layout. Every other kernel gives these bits.
#include "cpu/gemm/epilogue_ref.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int4_kernel.h"

namespace vqt::cpu {

void linear_int4_ref(const LinearInt4Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt4Ref);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      const uint8_t* group = a.w + c / kPanel * a.panel_bytes();
      const int64_t lane = c % kPanel;
      float sum = 0.0f;
      for (int64_t g = 0; g < a.groups; ++g, group += a.group_bytes) {
        const float scale = reinterpret_cast<const float*>(group)[lane];
        const uint8_t* zeros = group + kPanel * sizeof(float);
        const uint8_t* nibbles = a.symmetric ? zeros : zeros + kPanel;
        const int32_t zero = a.symmetric ? 8 : zeros[lane];
        int32_t dot = 0;
        for (int64_t k = 0; k < a.depth(g); ++k) {
          const uint8_t byte = nibbles[k / 8 * kPanel * 4 + lane * 4 + k % 4];
          const int32_t nibble = k % 8 < 4 ? byte & 15 : byte >> 4;
          dot += a.x.value(r, g * a.group + k) * (nibble - zero);
        }
        sum += scale * static_cast<float>(dot);
      }
      finish(a.out, r, c, (sum - static_cast<float>(a.x.zero[r]) * a.offset[c]) * a.x.scale[r]);
    }
  }
}

}  // namespace vqt::cpu
