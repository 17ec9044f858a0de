// int4 on AVX2, large m: a group of a panel is unpacked to s8 once for the rows of a block, and stays in L1
// (2 KB at g128) beside float sums of the rows. A tile is 3 rows x 16 columns: 6 s16 and 6 int32
// accumulators, 2 weights, 1 broadcast, 1 product. 4 values of k take 12 instructions on four ports, 6 of
// them on the two that multiply: 3 cycles, were no addition ever in the way of a product.
#include <immintrin.h>

#include <algorithm>
#include <cstdint>

#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int4_nibbles_avx2.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int kLargeMTileRows = 3;
alignas(32) constexpr int16_t kOnes[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};

// One group of one panel -> s8 [depth/4][16][4].
void unpack_group(const LinearInt4Job& a, const uint8_t* group, int64_t depth, int8_t* out) {
  NibbleGroup g = open_group(a, group);
  for (int64_t k = 0; k < depth; k += 8, g.nibbles += 64, out += 128) {
    _mm_prefetch(g.nibbles + kPrefetchBytes, _MM_HINT_T0);
    for (int i = 0; i < 2; ++i) {
      const NibblePair w = unpack_nibbles(g.nibbles + 32 * i, g.zero[i]);
      store(out + 32 * i, w.low);
      store(out + 64 + 32 * i, w.high);
    }
  }
}

// int32 sums of products over `lanes` 32-bit lanes (4 values of k each). s16 has room for at_once of them.
template <int kRows>
inline void multiply(const uint8_t* x, int64_t x_stride, const int8_t* w, int64_t lanes, int64_t at_once,
                     __m256i (&dot)[kRows][2]) {
  for (int64_t done = 0; done < lanes; done += at_once) {
    __m256i part[kRows][2] = {};
    for (int64_t i = done; i < std::min(done + at_once, lanes); ++i) {
      const __m256i w0 = load(w + 64 * i), w1 = load(w + 64 * i + 32);
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const __m256i v = broadcast4(x + r * x_stride + 4 * i);
        part[r][0] = _mm256_add_epi16(part[r][0], _mm256_maddubs_epi16(v, w0));
        part[r][1] = _mm256_add_epi16(part[r][1], _mm256_maddubs_epi16(v, w1));
      }
    }
    widen(part, dot);
  }
}

// The main tile in inline asm, as the compiler keeps half of the accumulators in memory. ymm0 to ymm5 are
// the s16 sums.
#define VQT_WEIGHTS(i) "vmovdqu 64*" #i "(%[w]), %%ymm12\n\tvmovdqu 64*" #i "+32(%[w]), %%ymm13\n\t"
#define VQT_ROW_FIRST(i, address, low, high) \
  "vpbroadcastd 4*" #i address               \
  ", %%ymm14\n\t"                            \
  "vpmaddubsw %%ymm12, %%ymm14, %%ymm" #low  \
  "\n\t"                                     \
  "vpmaddubsw %%ymm13, %%ymm14, %%ymm" #high "\n\t"
#define VQT_ROW(i, address, low, high)        \
  "vpbroadcastd 4*" #i address                \
  ", %%ymm14\n\t"                             \
  "vpmaddubsw %%ymm12, %%ymm14, %%ymm15\n\t"  \
  "vpmaddubsw %%ymm13, %%ymm14, %%ymm14\n\t"  \
  "vpaddw %%ymm15, %%ymm" #low ", %%ymm" #low \
  "\n\t"                                      \
  "vpaddw %%ymm14, %%ymm" #high ", %%ymm" #high "\n\t"
#define VQT_LANE(row, i) \
  VQT_WEIGHTS(i) row(i, "(%[x])", 0, 1) row(i, "(%[x], %[s])", 2, 3) row(i, "(%[x], %[s], 2)", 4, 5)
#define VQT_LANES_2 VQT_LANE(VQT_ROW_FIRST, 0) VQT_LANE(VQT_ROW, 1)
#define VQT_LANES_4 VQT_LANES_2 VQT_LANE(VQT_ROW, 2) VQT_LANE(VQT_ROW, 3)
#define VQT_LANES_8 \
  VQT_LANES_4 VQT_LANE(VQT_ROW, 4) VQT_LANE(VQT_ROW, 5) VQT_LANE(VQT_ROW, 6) VQT_LANE(VQT_ROW, 7)
#define VQT_WIDEN(part, sum)                      \
  "vpmaddwd %[ones], %%ymm" #part ", %%ymm" #part \
  "\n\t"                                          \
  "vpaddd %%ymm" #part ", %[" sum "], %[" sum "]\n\t"
// Multiplies `lanes` lanes, `times` times, and advances x and w.
#define VQT_MULTIPLY(lanes)                                                                                 \
  asm volatile(".p2align 5\n1:\n\t" VQT_LANES_##lanes                                                       \
               "add $64*" #lanes ", %[w]\n\tadd $4*" #lanes ", %[x]\n\t" VQT_WIDEN(0, "a0")                 \
                   VQT_WIDEN(1, "b0") VQT_WIDEN(2, "a1") VQT_WIDEN(3, "b1") VQT_WIDEN(4, "a2")              \
                       VQT_WIDEN(5, "b2") "dec %[n]\n\tjnz 1b\n\t"                                          \
               : [w] "+r"(w), [x] "+r"(x), [n] "+r"(times), [a0] "+x"(dot[0][0]), [b0] "+x"(dot[0][1]),     \
                 [a1] "+x"(dot[1][0]), [b1] "+x"(dot[1][1]), [a2] "+x"(dot[2][0]), [b2] "+x"(dot[2][1])     \
               : [s] "r"(x_stride), [ones] "m"(kOnes)                                                       \
               : "memory", "cc", "ymm0", "ymm1", "ymm2", "ymm3", "ymm4", "ymm5", "ymm12", "ymm13", "ymm14", \
                 "ymm15")

template <>
inline void multiply<kLargeMTileRows>(const uint8_t* x, int64_t x_stride, const int8_t* w, int64_t lanes,
                                      int64_t at_once, __m256i (&dot)[kLargeMTileRows][2]) {
  int64_t times = lanes / at_once;
  if (times > 0 && at_once == 8) VQT_MULTIPLY(8);
  if (times > 0 && at_once == 4) VQT_MULTIPLY(4);
  times = lanes % at_once / 2;
  if (times > 0) VQT_MULTIPLY(2);
}

#undef VQT_WEIGHTS
#undef VQT_ROW_FIRST
#undef VQT_ROW
#undef VQT_LANE
#undef VQT_LANES_2
#undef VQT_LANES_4
#undef VQT_LANES_8
#undef VQT_WIDEN
#undef VQT_MULTIPLY

// Prefetches what the epilogue will touch.
inline void prefetch_result(const Epilogue& e, int64_t row, int64_t column) {
  const int64_t c = column - e.first_column;
  if (e.y != nullptr) __builtin_prefetch(e.y + row * e.y_stride + c, 1);
  if (e.residual != nullptr) __builtin_prefetch(e.residual + row * e.residual_stride + c);
}

// One group of a panel.
struct PanelGroup {
  int64_t g;
  const uint8_t* group;
  const int8_t* w;  // unpacked
  int64_t column;
};

// sums: [kRows][16]
template <int kRows>
void large_m_tile(const LinearInt4Job& a, const PanelGroup& panel, int64_t row, Range columns, float* sums) {
  const bool last = panel.g + 1 == a.groups;
  for (int r = 0; r < kRows && last; ++r) prefetch_result(a.out, row + r, panel.column);
  __m256i dot[kRows][2] = {};
  multiply<kRows>(a.x.q + row * a.x.k_pad + panel.g * a.group, a.x.k_pad, panel.w, a.depth(panel.g) / 4,
                  lanes_at_once(a), dot);
  __m256 sum[kRows][2];
  for (int r = 0; r < kRows; ++r) {
    for (int i = 0; i < 2; ++i)
      sum[r][i] = panel.g == 0 ? _mm256_setzero_ps() : _mm256_loadu_ps(sums + r * kPanel + 8 * i);
  }
  add_group(panel.group, dot, sum);
  for (int r = 0; r < kRows; ++r) {
    if (last) {
      finish_panel(a, row + r, panel.column, columns, sum[r]);
    } else {
      for (int i = 0; i < 2; ++i) _mm256_storeu_ps(sums + r * kPanel + 8 * i, sum[r][i]);
    }
  }
}

}  // namespace

void linear_int4_large_m_avx2(const LinearInt4Job& a, Range rows, Range columns) {
  if (rows.size() <= 0) return;
  count_run(LinearKernel::kInt4LargeMAvx2);
  const int64_t most =
      linear_block(LinearKernel::kInt4LargeMAvx2, a.x.rows, a.x.k_pad, a.group, cache_sizes()).rows;
  const int64_t blocks = (rows.size() + most - 1) / most;
  auto* const sums = static_cast<float*>(scratch(static_cast<size_t>(most * kPanel * 4 + kPanel * a.group)));
  auto* const w = reinterpret_cast<int8_t*>(sums + most * kPanel);
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t begin = rows.begin + rows.size() * b / blocks;
    const int64_t end = rows.begin + rows.size() * (b + 1) / blocks;
    for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
      PanelGroup panel = {0, a.w + c / kPanel * a.panel_bytes(), w, c};
      for (; panel.g < a.groups; ++panel.g, panel.group += a.group_bytes) {
        unpack_group(a, panel.group, a.depth(panel.g), w);
        int64_t r = begin;
        const auto tiles = [&](auto tile, int64_t tile_rows) {
          for (; r + tile_rows <= end; r += tile_rows)
            tile(a, panel, r, columns, sums + (r - begin) * kPanel);
        };
        tiles(large_m_tile<kLargeMTileRows>, kLargeMTileRows);
        tiles(large_m_tile<2>, 2);
        tiles(large_m_tile<1>, 1);
      }
    }
  }
}

}  // namespace vqt::cpu
