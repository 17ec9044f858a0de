// int4 on AVX-VNNI: the int8 product (product_avxvnni.h) on one group of a panel at a time, whose nibbles are
// unpacked once for all rows of the block: 2 KB of s8 at g128 and 64 bytes of float sums a row, in L1.
#include "cpu/gemm/epilogue_avx2.h"
#include "cpu/gemm/product_avxvnni.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

// One group of a panel as s8 [depth/4][16][4].
void unpack_group(const LinearInt4Job& a, const uint8_t* packed, int64_t depth, int8_t* w) {
  const uint8_t* zeros = packed + kPanel * sizeof(float);
  const uint8_t* nibbles = a.symmetric ? zeros : zeros + kPanel;
  const __m256i low = _mm256_set1_epi8(15);
  __m256i zero[2] = {_mm256_set1_epi8(8), _mm256_set1_epi8(8)};
  for (int i = 0; i < 2 && !a.symmetric; ++i) {  // every byte of a column's 32-bit lane
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + 8 * i));
    zero[i] = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(0x01010101));
  }
  const auto store = [](int8_t* p, __m256i v) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); };
  for (int64_t k = 0; k < depth; k += 8, nibbles += 64, w += 128) {
#pragma GCC unroll 2
    for (int i = 0; i < 2; ++i) {
      const __m256i v = load(nibbles + 32 * i), high = _mm256_srli_epi16(v, 4);
      store(w + 32 * i, _mm256_sub_epi8(_mm256_and_si256(v, low), zero[i]));
      store(w + 64 + 32 * i, _mm256_sub_epi8(_mm256_and_si256(high, low), zero[i]));
    }
  }
}

// sum: float [16] of a row
void finish_panel(const LinearInt4Job& a, int64_t row, int64_t column, Range columns, const float* sum) {
  const __m256 x_zero = _mm256_set1_ps(static_cast<float>(a.x.zero[row])),
               x_scale = _mm256_set1_ps(a.x.scale[row]);
  __m256 v[2];
  for (int i = 0; i < 2; ++i) {
    const __m256 from_zero = _mm256_mul_ps(x_zero, _mm256_loadu_ps(a.offset + column + 8 * i));
    v[i] = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(sum + 8 * i), from_zero), x_scale);
  }
  finish(a.out, row, column, columns, v);
}

}  // namespace

void linear_int4_avxvnni(const LinearInt4Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt4AvxVnni);
  const int64_t block =
      linear_block(LinearKernel::kInt4AvxVnni, a.x.rows, a.x.k_pad, a.group, cache_sizes()).rows;
  auto* const sums = static_cast<float*>(scratch(block * kPanel * sizeof(float) + kPanel * a.group));
  auto* const w = reinterpret_cast<int8_t*>(sums + block * kPanel);
  for (int64_t begin = rows.begin; begin < rows.end; begin += block) {
    const int64_t end = begin + block < rows.end ? begin + block : rows.end;
    for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
      for (int64_t i = 0; i < (end - begin) * kPanel; ++i) sums[i] = 0.0f;
      const uint8_t* packed = a.w + c / kPanel * a.panel_bytes();
      for (int64_t g = 0; g < a.groups; ++g, packed += a.group_bytes) {
        const int64_t depth = a.depth(g);
        unpack_group(a, packed, depth, w);
        const __m256 low = _mm256_loadu_ps(reinterpret_cast<const float*>(packed)),
                     high = _mm256_loadu_ps(reinterpret_cast<const float*>(packed) + 8);
        for_each_tile(begin, end, [&](int64_t row, auto count) {
          constexpr int kRows = decltype(count)::value;
          __m256i dot[kRows][2];
          product<kRows>(a.x.q + row * a.x.k_pad + g * a.group, a.x.k_pad, w, depth, dot);
          float* sum = sums + (row - begin) * kPanel;
#pragma GCC unroll 6
          for (int r = 0; r < kRows; ++r, sum += kPanel) {
            const __m256 add[2] = {_mm256_mul_ps(low, _mm256_cvtepi32_ps(dot[r][0])),
                                   _mm256_mul_ps(high, _mm256_cvtepi32_ps(dot[r][1]))};
            _mm256_storeu_ps(sum, _mm256_add_ps(_mm256_loadu_ps(sum), add[0]));
            _mm256_storeu_ps(sum + 8, _mm256_add_ps(_mm256_loadu_ps(sum + 8), add[1]));
          }
        });
      }
      for (int64_t r = begin; r < end; ++r) finish_panel(a, r, c, columns, sums + (r - begin) * kPanel);
    }
  }
}

}  // namespace vqt::cpu
