// int8 on AVX-VNNI: vpdpbusd on 256-bit registers, straight from the packed panels. A tile is 6 rows x 16
// columns: 12 accumulators, 2 weights, 1 broadcast. Inline asm: the compiler copies an accumulator around
// each _mm256_dpbusd_avx_epi32, and spills.
#include <immintrin.h>

#include "cpu/epilogue_avx2.h"
#include "cpu/linear_int8_kernel.h"
#include "cpu/packed_weight.h"

namespace vqt::cpu {
namespace {

constexpr int kTileRows = 6;

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

// Hands the int32 sums of one row and one panel to the epilogue.
inline void finish_panel(const LinearInt8& a, int64_t r, int64_t panel_column, Range columns,
                         const __m256i (&sum)[2]) {
  const __m256i x_zero = _mm256_set1_epi32(a.x.zero[r]);
  const __m256 x_scale = _mm256_set1_ps(a.x.scale[r]);
  for (int i = 0; i < 2; ++i) {
    const int64_t c = panel_column + 8 * i;
    const Lanes lanes = lanes_in(columns, c);
    if (lanes.none()) continue;
    __m256i dot = _mm256_sub_epi32(sum[i], _mm256_mullo_epi32(x_zero, load(a.w_sum + c)));
    if (a.w_zero) {
      const uint32_t rest =
          static_cast<uint32_t>(a.x.sum[r]) - static_cast<uint32_t>(a.k) * static_cast<uint32_t>(a.x.zero[r]);
      dot = _mm256_sub_epi32(
          dot, _mm256_mullo_epi32(_mm256_set1_epi32(static_cast<int32_t>(rest)), load(a.w_zero + c)));
    }
    const __m256 v = _mm256_mul_ps(_mm256_cvtepi32_ps(dot), x_scale);
    finish(a.out, r, c, lanes, _mm256_mul_ps(v, _mm256_loadu_ps(a.w_scale + c)));
  }
}

#define VQT_ZERO(sum) "vpxor %[" sum "], %[" sum "], %[" sum "]\n\t"
#define VQT_ROW(address, low, high)           \
  "vpbroadcastd " address                     \
  ", %%ymm14\n\t"                             \
  "%{vex%} vpdpbusd %%ymm12, %%ymm14, %[" low \
  "]\n\t"                                     \
  "%{vex%} vpdpbusd %%ymm13, %%ymm14, %[" high "]\n\t"

void multiply(const uint8_t* x, int64_t x_stride, const int8_t* w, int64_t lanes,
              __m256i (&acc)[kTileRows][2]) {
  const uint8_t* x3 = x + 3 * x_stride;
  asm volatile(
      VQT_ZERO("a0") VQT_ZERO("a1") VQT_ZERO("a2") VQT_ZERO("a3") VQT_ZERO("a4") VQT_ZERO("a5")  //
      VQT_ZERO("b0") VQT_ZERO("b1") VQT_ZERO("b2") VQT_ZERO("b3") VQT_ZERO("b4") VQT_ZERO("b5")
      ".p2align 5\n"
      "1:\n\t"
      "vmovdqu (%[w]), %%ymm12\n\t"
      "vmovdqu 32(%[w]), %%ymm13\n\t"  //
      VQT_ROW("(%[x])", "a0", "b0") VQT_ROW("(%[x], %[s])", "a1", "b1") VQT_ROW("(%[x], %[s], 2)", "a2", "b2")
      VQT_ROW("(%[x3])", "a3", "b3") VQT_ROW("(%[x3], %[s])", "a4", "b4") VQT_ROW("(%[x3], %[s], 2)", "a5", "b5")
      "add $64, %[w]\n\t"
      "add $4, %[x]\n\t"
      "add $4, %[x3]\n\t"
      "dec %[n]\n\t"
      "jnz 1b\n\t"
      : [w] "+r"(w), [x] "+r"(x), [x3] "+r"(x3), [n] "+r"(lanes), [a0] "=&x"(acc[0][0]), [b0] "=&x"(acc[0][1]),
        [a1] "=&x"(acc[1][0]), [b1] "=&x"(acc[1][1]), [a2] "=&x"(acc[2][0]), [b2] "=&x"(acc[2][1]),
        [a3] "=&x"(acc[3][0]), [b3] "=&x"(acc[3][1]), [a4] "=&x"(acc[4][0]), [b4] "=&x"(acc[4][1]),
        [a5] "=&x"(acc[5][0]), [b5] "=&x"(acc[5][1])
      : [s] "r"(x_stride)
      : "memory", "cc", "ymm12", "ymm13", "ymm14");
}

template <int kRows>
void few_rows(const LinearInt8& a, int64_t row, int64_t column, Range columns) {
  const uint8_t* x = a.x.q + row * a.x.k_pad;
  const int8_t* w = a.w + column * a.w_depth();
  __m256i acc[kRows][2] = {};
  for (int64_t k = 0; k < a.w_depth(); k += 4, x += 4, w += 64) {
    const __m256i w0 = load(w), w1 = load(w + 32);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i v =
          _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(x + r * a.x.k_pad)));
      asm("%{vex%} vpdpbusd %1, %2, %0" : "+x"(acc[r][0]) : "x"(w0), "x"(v));
      asm("%{vex%} vpdpbusd %1, %2, %0" : "+x"(acc[r][1]) : "x"(w1), "x"(v));
    }
  }
  for (int r = 0; r < kRows; ++r) finish_panel(a, row + r, column, columns, acc[r]);
}

}  // namespace

void linear_int8_avxvnni(const LinearInt8& a, Range rows, Range columns) {
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    int64_t r = rows.begin;
    for (; r + kTileRows <= rows.end; r += kTileRows) {
      __m256i acc[kTileRows][2];
      multiply(a.x.q + r * a.x.k_pad, a.x.k_pad, a.w + c * a.w_depth(), a.w_depth() / 4, acc);
      for (int i = 0; i < kTileRows; ++i) finish_panel(a, r + i, c, columns, acc[i]);
    }
    for (; r + 3 <= rows.end; r += 3) few_rows<3>(a, r, c, columns);
    if (r + 2 == rows.end) few_rows<2>(a, r, c, columns);
    if (r + 1 == rows.end) few_rows<1>(a, r, c, columns);
  }
}

}  // namespace vqt::cpu
