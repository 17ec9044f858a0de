// int8 on AVX-VNNI: vpdpbusd on 256-bit registers, straight from the packed panels (product_avxvnni.h). A
// panel stays in L1 while the rows of a block pass, and what the block has of x in L2.
#include "cpu/gemm/epilogue_avx2.h"
#include "cpu/gemm/product_avxvnni.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {
namespace {

// Hands the int32 sums of one row and one panel to the epilogue.
inline void finish_panel(const LinearInt8Job& a, int64_t r, int64_t panel_column, Range columns,
                         const __m256i (&sum)[2]) {
  const __m256i x_zero = _mm256_set1_epi32(a.x.zero[r]);
  const __m256 x_scale = _mm256_set1_ps(a.x.scale[r]);
  __m256 v[2];
  for (int i = 0; i < 2; ++i) {
    const int64_t c = panel_column + 8 * i;
    __m256i dot = _mm256_sub_epi32(sum[i], _mm256_mullo_epi32(x_zero, load(a.w_sum + c)));
    if (a.w_zero) {
      const uint32_t rest =
          static_cast<uint32_t>(a.x.sum[r]) - static_cast<uint32_t>(a.k) * static_cast<uint32_t>(a.x.zero[r]);
      dot = _mm256_sub_epi32(
          dot, _mm256_mullo_epi32(_mm256_set1_epi32(static_cast<int32_t>(rest)), load(a.w_zero + c)));
    }
    v[i] = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(dot), _mm256_loadu_ps(a.w_scale + c)), x_scale);
  }
  finish(a.out, r, panel_column, columns, v);
}

template <class Finish>
void run(const LinearInt8Job& a, Range rows, Range columns, Finish finish_row) {
  const int64_t block = linear_block(LinearKernel::kInt8AvxVnni, a.x.rows, a.k, 0, cache_sizes()).rows;
  for (int64_t begin = rows.begin; begin < rows.end; begin += block) {
    const int64_t end = begin + block < rows.end ? begin + block : rows.end;
    for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
      const int8_t* w = a.w + c * a.w_depth();
      for_each_tile(begin, end, [&](int64_t row, auto count) {
        constexpr int kRows = decltype(count)::value;
        __m256i sum[kRows][2];
        product<kRows>(a.x.q + row * a.x.k_pad, a.x.k_pad, w, a.w_depth(), sum);
        for (int r = 0; r < kRows; ++r) finish_row(row + r, c, sum[r]);
      });
    }
  }
}

}  // namespace

void linear_int8_avxvnni(const LinearInt8Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt8AvxVnni);
  run(a, rows, columns,
      [&](int64_t row, int64_t c, const __m256i(&sum)[2]) { finish_panel(a, row, c, columns, sum); });
}

void product_int8_avxvnni(const LinearInt8Job& a, Range rows, Range columns) {
  run(a, rows, columns, [&](int64_t row, int64_t c, const __m256i(&sum)[2]) {
    float* y = a.out.y + row * a.out.y_stride - a.out.first_column;
    for (int i = 0; i < 2; ++i, c += 8) {
      const Lanes lanes = lanes_in(columns, c);
      if (!lanes.none()) _mm256_maskstore_ps(y + c, lanes.mask, _mm256_castsi256_ps(sum[i]));
    }
  });
}

}  // namespace vqt::cpu
