// int4 on AVX2. nibble - zero is within -15..15 (symmetric -8..7), so vpmaddubsw (u8 x s8 pairs into s16)
// cannot saturate, and its s16 results can be added up for 4 lanes of 4 k's (symmetric 8: 8 * 2 * 255 * 8 =
// 32640) before they are widened to int32: fewer instructions a product than int8 takes. int32 and float sums
// live in L1.
//
// Few rows: nibbles are unpacked in registers on the way, again for each tile of 4 rows. Up to 4 rows that
// keeps pace with memory.
// Many rows: a panel is unpacked to s8 once for all rows of the call. A tile is 6 rows x 16 columns: 12 s16
// accumulators, 2 weights, 1 broadcast, 1 product.
#include <immintrin.h>

#include <algorithm>

#include "cpu/epilogue_avx2.h"
#include "cpu/linear_int4_kernel.h"
#include "cpu/packed_weight.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int kTileRows = 6;
constexpr int64_t kFewTileRows = 4;
constexpr int64_t kMaxFewRows = 20;            // above, unpacking once is faster
constexpr int64_t kUnpackedBytes = 192 << 10;  // panels that stay in L2 while all rows pass
constexpr int64_t kAhead = 1024;               // bytes from weights being read to those being asked for

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// One group of one panel: where its nibbles begin, and what they lose, in every byte of a column's 32-bit
// lane.
struct Group {
  const uint8_t* nibbles;
  __m256i zero[2];
};
inline Group open_group(const LinearInt4& a, const uint8_t* group) {
  const uint8_t* zeros = group + kPanel * sizeof(float);
  if (a.symmetric) return {zeros, {_mm256_set1_epi8(8), _mm256_set1_epi8(8)}};
  Group g = {zeros + kPanel, {}};
  for (int i = 0; i < 2; ++i) {
    const __m128i bytes = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros + 8 * i));
    g.zero[i] = _mm256_mullo_epi32(_mm256_cvtepu8_epi32(bytes), _mm256_set1_epi32(0x01010101));
  }
  return g;
}

// nibble - zero of 8 k's of 8 columns: k's 0 to 3, k's 4 to 7.
struct Pair {
  __m256i low, high;
};
inline Pair unpack(const uint8_t* nibbles, __m256i zero) {
  const __m256i v = load(nibbles), mask = _mm256_set1_epi8(15);
  return {_mm256_sub_epi8(_mm256_and_si256(v, mask), zero),
          _mm256_sub_epi8(_mm256_and_si256(_mm256_srli_epi16(v, 4), mask), zero)};
}

// One group of one panel -> s8 [group/4][16][4].
void unpack_group(const LinearInt4& a, const uint8_t* group, int8_t* out) {
  Group g = open_group(a, group);
  for (int64_t k = 0; k < a.group; k += 8, g.nibbles += 64, out += 128) {
    _mm_prefetch(g.nibbles + kAhead, _MM_HINT_T0);
    for (int i = 0; i < 2; ++i) {
      const Pair w = unpack(g.nibbles + 32 * i, g.zero[i]);
      store(out + 32 * i, w.low);
      store(out + 64 + 32 * i, w.high);
    }
  }
}

inline __m256i broadcast4(const uint8_t* x) {
  return _mm256_castps_si256(_mm256_broadcast_ss(reinterpret_cast<const float*>(x)));
}

// s16 sums of products over `lanes` 32-bit lanes (4 k's each), as many as s16 has room for.
template <int kRows>
inline void multiply(const uint8_t* x, int64_t x_stride, const int8_t* w, int64_t lanes,
                     __m256i (&part)[kRows][2]) {
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) part[r][0] = part[r][1] = _mm256_setzero_si256();
  for (int64_t i = 0; i < lanes; ++i, x += 4, w += 64) {
    const __m256i w0 = load(w), w1 = load(w + 32);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i v = broadcast4(x + r * x_stride);
      part[r][0] = _mm256_add_epi16(part[r][0], _mm256_maddubs_epi16(v, w0));
      part[r][1] = _mm256_add_epi16(part[r][1], _mm256_maddubs_epi16(v, w1));
    }
  }
}

// The same on weights as they lie: unpacked on the way.
template <int kRows>
inline void multiply_nibbles(const uint8_t* x, int64_t x_stride, const Group& g, int64_t lanes,
                             __m256i (&part)[kRows][2]) {
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) part[r][0] = part[r][1] = _mm256_setzero_si256();
  const uint8_t* nibbles = g.nibbles;
  for (int64_t i = 0; i < lanes; i += 2, x += 8, nibbles += 64) {
    _mm_prefetch(nibbles + kAhead, _MM_HINT_T0);
    const Pair w0 = unpack(nibbles, g.zero[0]), w1 = unpack(nibbles + 32, g.zero[1]);
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i low = broadcast4(x + r * x_stride), high = broadcast4(x + r * x_stride + 4);
      part[r][0] = _mm256_add_epi16(part[r][0], _mm256_maddubs_epi16(low, w0.low));
      part[r][1] = _mm256_add_epi16(part[r][1], _mm256_maddubs_epi16(low, w1.low));
      part[r][0] = _mm256_add_epi16(part[r][0], _mm256_maddubs_epi16(high, w0.high));
      part[r][1] = _mm256_add_epi16(part[r][1], _mm256_maddubs_epi16(high, w1.high));
    }
  }
}

// The main tile in inline asm: left to itself the compiler keeps half of the accumulators in memory.
#define VQT_ZERO(sum) "vpxor %[" sum "], %[" sum "], %[" sum "]\n\t"
#define VQT_ROW(address, low, high)          \
  "vpbroadcastd " address                    \
  ", %%ymm14\n\t"                            \
  "vpmaddubsw %%ymm12, %%ymm14, %%ymm15\n\t" \
  "vpmaddubsw %%ymm13, %%ymm14, %%ymm14\n\t" \
  "vpaddw %%ymm15, %[" low "], %[" low       \
  "]\n\t"                                    \
  "vpaddw %%ymm14, %[" high "], %[" high "]\n\t"

template <>
inline void multiply<kTileRows>(const uint8_t* x, int64_t x_stride, const int8_t* w, int64_t lanes,
                                __m256i (&part)[kTileRows][2]) {
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
      : [w] "+r"(w), [x] "+r"(x), [x3] "+r"(x3), [n] "+r"(lanes), [a0] "=&x"(part[0][0]), [b0] "=&x"(part[0][1]),
        [a1] "=&x"(part[1][0]), [b1] "=&x"(part[1][1]), [a2] "=&x"(part[2][0]), [b2] "=&x"(part[2][1]),
        [a3] "=&x"(part[3][0]), [b3] "=&x"(part[3][1]), [a4] "=&x"(part[4][0]), [b4] "=&x"(part[4][1]),
        [a5] "=&x"(part[5][0]), [b5] "=&x"(part[5][1])
      : [s] "r"(x_stride)
      : "memory", "cc", "ymm12", "ymm13", "ymm14", "ymm15");
}

// Hands the sums of one row and one panel to the epilogue.
inline void finish_panel(const LinearInt4& a, int64_t r, int64_t panel_column, Range columns,
                         const __m256 (&sum)[2]) {
  const __m256 x_zero = _mm256_set1_ps(static_cast<float>(a.x.zero[r])),
               x_scale = _mm256_set1_ps(a.x.scale[r]);
  __m256 v[2];
  for (int i = 0; i < 2; ++i) {
    const __m256 from_zero = _mm256_mul_ps(x_zero, _mm256_loadu_ps(a.offset + panel_column + 8 * i));
    v[i] = _mm256_mul_ps(_mm256_sub_ps(sum[i], from_zero), x_scale);
  }
  finish(a.out, r, panel_column, columns, v);
}

// w: the panel, unpacked, or null.
template <int kRows, bool kUnpacked>
void tile(const LinearInt4& a, const int8_t* w, int64_t row, int64_t column, Range columns) {
  const int64_t lanes = a.group / 4, lanes_at_once = a.symmetric ? 8 : 4;
  const uint8_t* group = a.w + column / kPanel * a.groups * a.group_bytes;
  const uint8_t* x = a.x.q + row * a.x.k_pad;
  const __m256i ones = _mm256_set1_epi16(1);
  __m256 sum[kRows][2];
  for (int r = 0; r < kRows; ++r) sum[r][0] = sum[r][1] = _mm256_setzero_ps();
  for (int64_t g = 0; g < a.groups; ++g, group += a.group_bytes) {
    Group nibbles = kUnpacked ? Group() : open_group(a, group);
    __m256i dot[kRows][2];
    for (int r = 0; r < kRows; ++r) dot[r][0] = dot[r][1] = _mm256_setzero_si256();
    for (int64_t i = 0; i < lanes; i += lanes_at_once) {
      const int64_t now = std::min(lanes_at_once, lanes - i);
      __m256i part[kRows][2];
      if (kUnpacked) {
        multiply<kRows>(x, a.x.k_pad, w, now, part);
        w += 64 * now;
      } else {
        multiply_nibbles<kRows>(x, a.x.k_pad, nibbles, now, part);
        nibbles.nibbles += 32 * now;
      }
      for (int r = 0; r < kRows; ++r) {
        for (int j = 0; j < 2; ++j)
          dot[r][j] = _mm256_add_epi32(dot[r][j], _mm256_madd_epi16(part[r][j], ones));
      }
      x += 4 * now;
    }
    const float* scale = reinterpret_cast<const float*>(group);
    for (int r = 0; r < kRows; ++r) {
      for (int i = 0; i < 2; ++i) {
        const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(scale + 8 * i), _mm256_cvtepi32_ps(dot[r][i]));
        sum[r][i] = _mm256_add_ps(sum[r][i], scaled);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) finish_panel(a, row + r, column, columns, sum[r]);
}

using TileFn = void (*)(const LinearInt4& a, const int8_t* w, int64_t row, int64_t column, Range columns);
constexpr TileFn kFewRows[kFewTileRows] = {tile<1, false>, tile<2, false>, tile<3, false>, tile<4, false>};

void few_rows(const LinearInt4& a, Range rows, Range columns) {
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    for (int64_t r = rows.begin; r < rows.end; r += kFewTileRows) {
      kFewRows[std::min(kFewTileRows, rows.end - r) - 1](a, nullptr, r, c, columns);
    }
  }
}

}  // namespace

void linear_int4_avx2(const LinearInt4& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  if (rows.size() <= kMaxFewRows) return few_rows(a, rows, columns);
  const int64_t panel_values = a.groups * a.group * kPanel, first = columns.begin / kPanel;
  const int64_t panels = (columns.end - 1) / kPanel + 1 - first;
  const int64_t at_once = std::clamp<int64_t>(kUnpackedBytes / panel_values, 1, panels);
  int8_t* w = static_cast<int8_t*>(scratch(static_cast<size_t>(at_once * panel_values)));
  for (int64_t start = first; start < first + panels; start += at_once) {
    const int64_t end = std::min(start + at_once, first + panels);
    for (int64_t p = start; p < end; ++p) {
      for (int64_t g = 0; g < a.groups; ++g) {
        unpack_group(a, a.w + (p * a.groups + g) * a.group_bytes,
                     w + (p - start) * panel_values + g * a.group * kPanel);
      }
    }
    int64_t r = rows.begin;
    const auto all_panels = [&](auto tile_of, int64_t tile_rows) {
      for (; r + tile_rows <= rows.end; r += tile_rows) {
        for (int64_t p = start; p < end; ++p)
          tile_of(a, w + (p - start) * panel_values, r, p * kPanel, columns);
      }
    };
    all_panels(tile<kTileRows, true>, kTileRows);
    all_panels(tile<3, true>, 3);
    all_panels(tile<2, true>, 2);
    all_panels(tile<1, true>, 1);
  }
}

}  // namespace vqt::cpu
