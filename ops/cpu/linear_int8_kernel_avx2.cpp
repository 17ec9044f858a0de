// int8 on AVX2. There is no u8 x s8 product without saturation here, so both sides are widened to s16 and
// multiplied by vpmaddwd. A tile is 6 rows x 16 columns: 12 accumulators, 2 weights, 1 broadcast, 1 product =
// all 16 registers.
//
// A core that issues two vpmaddwd a cycle is limited by the four vector slots that products and additions
// share: 32 multiply-adds a cycle. Integers are exact, so Strassen's scheme applies without loss: 12 rows x
// 32 columns x k are seen as 2 x 2 x 2 blocks and take 7 tiles instead of 8. Sums of two u8 or two s8 values
// fit s16; the sums wrap in int32.
//
//   rows of x:  [x11 x12]   6 rows      weights:  [w11 w12]  first half of k     sums:  [c11 c12]
//               [x21 x22]   6 rows                [w21 w22]  second half                [c21 c22]
//                                                 16   16 columns
#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "cpu/linear_int8_kernel.h"
#include "cpu/packed_weight.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int kTileRows = 6;
constexpr int64_t kBlockRows = 2 * kTileRows, kBlockColumns = 2 * kPanel;
constexpr int kProducts = 7;
constexpr int64_t kSums = kBlockRows * kBlockColumns;
constexpr int64_t kMaxDepthLanes = 512;             // 32-bit lanes (4 k's) of one pass over k
constexpr int64_t kMaxWBytes = int64_t(256) << 10;  // widened weights that stay in L2 while all rows pass
constexpr int64_t kMaxXBytes = int64_t(4) << 20;    // widened x of one pass over the weights

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// The 4 bytes of each 32-bit lane as two s16 pairs: {0, 2} and {1, 3}. x and w share the order, so sums do
// not change.
struct Wide {
  __m256i even, odd;
};
inline Wide widen_signed(__m256i v) {
  return {_mm256_srai_epi16(_mm256_slli_epi16(v, 8), 8), _mm256_srai_epi16(v, 8)};
}
inline Wide widen_unsigned(__m256i v) {
  return {_mm256_and_si256(v, _mm256_set1_epi16(0xff)), _mm256_srli_epi16(v, 8)};
}
inline Wide operator+(Wide a, Wide b) {
  return {_mm256_add_epi16(a.even, b.even), _mm256_add_epi16(a.odd, b.odd)};
}
inline Wide operator-(Wide a, Wide b) {
  return {_mm256_sub_epi16(a.even, b.even), _mm256_sub_epi16(a.odd, b.odd)};
}

// Turns the int32 sums of one row and one panel into y, and stores the columns that are wanted.
inline void finish(const LinearInt8& a, int64_t r, int64_t panel_column, Range columns, __m256i sum0,
                   __m256i sum1) {
  const __m256i x_zero = _mm256_set1_epi32(a.x_zero[r]);
  const __m256 x_scale = _mm256_set1_ps(a.x_scale[r]);
  const int64_t c = panel_column;
  const bool whole = c >= columns.begin && c + kPanel <= columns.end;
  alignas(32) float edge[2][kPanel];  // bias in, y out, where a panel is used in part
  const int64_t begin = std::max(c, columns.begin), end = std::min(c + kPanel, columns.end);
  const float* bias = a.bias ? a.bias + c - a.first_column : nullptr;
  if (bias && !whole) {
    for (int64_t i = begin; i < end; ++i) edge[0][i - c] = bias[i - c];
    bias = edge[0];
  }
  float* y = a.y + r * a.y_stride + c - a.first_column;
  float* out = whole ? y : edge[1];
  for (int i = 0; i < 2; ++i) {
    __m256i dot = _mm256_sub_epi32(i ? sum1 : sum0, _mm256_mullo_epi32(x_zero, load(a.w_sum + c + 8 * i)));
    if (a.w_zero) {
      const uint32_t rest = uint32_t(a.x_sum[r]) - uint32_t(a.k) * uint32_t(a.x_zero[r]);
      dot = _mm256_sub_epi32(
          dot, _mm256_mullo_epi32(_mm256_set1_epi32(int32_t(rest)), load(a.w_zero + c + 8 * i)));
    }
    __m256 v = _mm256_mul_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(dot), x_scale),
                             _mm256_loadu_ps(a.w_scale + c + 8 * i));
    if (bias) v = _mm256_add_ps(v, _mm256_loadu_ps(bias + 8 * i));
    _mm256_storeu_ps(out + 8 * i, v);
  }
  if (!whole) {
    for (int64_t i = begin; i < end; ++i) y[i - c] = edge[1][i - c];
  }
}

// --- few rows: weights are widened on the way ---

// x: widened rows, [kRows][lanes][even, odd] as 32-bit pairs.
template <int kRows>
void direct_tile(const LinearInt8& a, const int32_t* x, int64_t row, int64_t panel_column, Range columns) {
  const int64_t lanes = a.k_pad / 4;
  const int8_t* w = a.w + panel_column * a.k_pad;
  __m256i acc[kRows][2] = {};
  for (int64_t k = 0; k < lanes; ++k, w += 64) {
    const Wide w0 = widen_signed(load(w)), w1 = widen_signed(load(w + 32));
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const __m256i even = _mm256_set1_epi32(x[2 * (r * lanes + k)]);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(even, w0.even));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(even, w1.even));
      const __m256i odd = _mm256_set1_epi32(x[2 * (r * lanes + k) + 1]);
      acc[r][0] = _mm256_add_epi32(acc[r][0], _mm256_madd_epi16(odd, w0.odd));
      acc[r][1] = _mm256_add_epi32(acc[r][1], _mm256_madd_epi16(odd, w1.odd));
    }
  }
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) finish(a, row + r, panel_column, columns, acc[r][0], acc[r][1]);
}

void direct(const LinearInt8& a, Range rows, Range columns) {
  const int64_t lanes = a.k_pad / 4;
  int32_t* x = static_cast<int32_t*>(scratch(size_t(rows.size()) * lanes * 8));
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const uint8_t* from = a.x + r * a.x_stride;
    uint32_t* to = reinterpret_cast<uint32_t*>(x) + (r - rows.begin) * lanes * 2;
    for (int64_t k = 0; k < lanes; ++k) {
      uint32_t v;
      std::memcpy(&v, from + 4 * k, 4);
      to[2 * k] = v & 0x00ff00ffu;
      to[2 * k + 1] = v >> 8 & 0x00ff00ffu;
    }
  }
  for (int64_t c = columns.begin / kPanel * kPanel; c < columns.end; c += kPanel) {
    for (int64_t r = rows.begin; r < rows.end; r += 4) {
      const int32_t* x_tile = x + (r - rows.begin) * lanes * 2;
      switch (std::min<int64_t>(4, rows.end - r)) {
        case 1:
          direct_tile<1>(a, x_tile, r, c, columns);
          break;
        case 2:
          direct_tile<2>(a, x_tile, r, c, columns);
          break;
        case 3:
          direct_tile<3>(a, x_tile, r, c, columns);
          break;
        default:
          direct_tile<4>(a, x_tile, r, c, columns);
      }
    }
  }
}

// --- many rows: Strassen over widened operands ---

// How k is cut: passes of 2 * half lanes each; lanes past the end count as 0.
struct Depth {
  int64_t lanes, passes, pass_lanes, half;
  int64_t pairs() const { return 2 * half; }  // s16 pairs of an operand: `half` even ones, then the odd ones
  int64_t x_operand() const { return kTileRows * pairs(); }
  int64_t w_operand() const {
    return kPanel * pairs() + 32;
  }  // padded: the 7 are written side by side, cache ways are few
};
Depth cut_depth(int64_t k_pad) {
  Depth d;
  d.lanes = k_pad / 4;
  d.passes = (d.lanes + kMaxDepthLanes - 1) / kMaxDepthLanes;
  d.pass_lanes = (d.lanes + d.passes - 1) / d.passes;
  d.half = (d.pass_lanes + 15) / 16 * 8;
  return d;
}

// The 7 left operands from the 4 blocks.
inline void combine_x(__m256i x11, __m256i x12, __m256i x21, __m256i x22,
                      __m256i (&out)[kProducts][kTileRows], int r) {
  out[0][r] = _mm256_add_epi16(x11, x22);
  out[1][r] = _mm256_add_epi16(x21, x22);
  out[2][r] = x11;
  out[3][r] = x22;
  out[4][r] = _mm256_add_epi16(x11, x12);
  out[5][r] = _mm256_sub_epi16(x21, x11);
  out[6][r] = _mm256_sub_epi16(x12, x22);
}

// Lanes [at, at + 8) of a row of x of which `end` exist.
inline Wide x_lanes(const uint8_t* row, int64_t at, int64_t end) {
  if (at + 8 <= end) return widen_unsigned(load(row + 4 * at));
  alignas(32) uint8_t part[32] = {};
  if (at < end) std::memcpy(part, row + 4 * at, size_t(end - at) * 4);
  return widen_unsigned(load(part));
}

// 8 pairs of 6 rows -> [8][6]
inline void interleave(const __m256i (&rows)[kTileRows], int32_t* out) {
  for (int i = 0; i < 3; ++i) {
    const __m256i low = _mm256_unpacklo_epi32(rows[2 * i], rows[2 * i + 1]);   // pairs 0 1 | 4 5
    const __m256i high = _mm256_unpackhi_epi32(rows[2 * i], rows[2 * i + 1]);  // pairs 2 3 | 6 7
    const __m128i part[4] = {_mm256_castsi256_si128(low), _mm256_castsi256_si128(high),
                             _mm256_extracti128_si256(low, 1), _mm256_extracti128_si256(high, 1)};
    for (int j = 0; j < 4; ++j) {
      int32_t* to = out + 2 * j * kTileRows + 2 * i;
      _mm_storel_pd(reinterpret_cast<double*>(to), _mm_castsi128_pd(part[j]));
      _mm_storeh_pd(reinterpret_cast<double*>(to + kTileRows), _mm_castsi128_pd(part[j]));
    }
  }
}

// 12 rows and one pass -> 7 operands of [pairs][6]: one stream that the prefetcher can follow.
void widen_x(const LinearInt8& a, const Depth& d, int64_t row, int64_t pass, int32_t* out) {
  const int64_t begin = pass * d.pass_lanes, middle = begin + d.half;
  const int64_t end = std::min(begin + d.pass_lanes, d.lanes), first_end = std::min(middle, end);
  for (int64_t i = 0; i < d.half; i += 8) {
    __m256i even[kProducts][kTileRows], odd[kProducts][kTileRows];
    for (int r = 0; r < kTileRows; ++r) {
      const uint8_t* upper = a.x + (row + r) * a.x_stride;
      const uint8_t* lower = upper + kTileRows * a.x_stride;
      const Wide x11 = x_lanes(upper, begin + i, first_end), x12 = x_lanes(upper, middle + i, end);
      const Wide x21 = x_lanes(lower, begin + i, first_end), x22 = x_lanes(lower, middle + i, end);
      combine_x(x11.even, x12.even, x21.even, x22.even, even, r);
      combine_x(x11.odd, x12.odd, x21.odd, x22.odd, odd, r);
    }
    for (int p = 0; p < kProducts; ++p) {
      interleave(even[p], out + p * d.x_operand() + i * kTileRows);
      interleave(odd[p], out + p * d.x_operand() + (d.half + i) * kTileRows);
    }
  }
}

// The 7 right operands from the 4 blocks; operand p goes to out + p * stride.
inline void put(Wide v, int32_t* out, int64_t odd) {
  store(out, v.even);
  store(out + odd, v.odd);
}
inline void put_w(Wide w11, Wide w12, Wide w21, Wide w22, int32_t* out, int64_t odd, int64_t stride) {
  put(w11 + w22, out, odd);
  put(w11, out + stride, odd);
  put(w12 - w22, out + 2 * stride, odd);
  put(w21 - w11, out + 3 * stride, odd);
  put(w22, out + 4 * stride, odd);
  put(w11 + w12, out + 5 * stride, odd);
  put(w21 + w22, out + 6 * stride, odd);
}

inline Wide w_lanes(const int8_t* panel, int64_t at, int64_t end) {
  return at < end ? widen_signed(load(panel + at * 64))
                  : Wide{_mm256_setzero_si256(), _mm256_setzero_si256()};
}

// 32 columns and one pass -> 7 operands of [pairs][16], in x's order of pairs.
void widen_w(const LinearInt8& a, const Depth& d, int64_t column, int64_t pass, int32_t* out) {
  const int64_t begin = pass * d.pass_lanes, middle = begin + d.half;
  const int64_t end = std::min(begin + d.pass_lanes, d.lanes), first_end = std::min(middle, end);
  const int8_t* left = a.w + column * a.k_pad;
  const int8_t* right = left + kPanel * a.k_pad;
  for (int64_t i = 0; i < d.half; ++i) {
    for (int part = 0; part < 2; ++part) {  // 8 columns of each panel
      put_w(w_lanes(left + 32 * part, begin + i, first_end), w_lanes(right + 32 * part, begin + i, first_end),
            w_lanes(left + 32 * part, middle + i, end), w_lanes(right + 32 * part, middle + i, end),
            out + i * kPanel + 8 * part, d.half * kPanel, d.w_operand());
    }
  }
}

// 6 rows x 16 columns over `pairs` s16 pairs (a multiple of 4), added to one or two blocks of the sums.
// Inline asm: left to itself the compiler spills accumulators, and here every slot counts.
#define VQT_ROW(address, low, high)        \
  "vpbroadcastd " address                  \
  ", %%ymm14\n\t"                          \
  "vpmaddwd %%ymm12, %%ymm14, %%ymm15\n\t" \
  "vpmaddwd %%ymm13, %%ymm14, %%ymm14\n\t" \
  "vpaddd %%ymm15, %[" low "], %[" low     \
  "]\n\t"                                  \
  "vpaddd %%ymm14, %[" high "], %[" high "]\n\t"
#define VQT_ZERO(sum) "vpxor %[" sum "], %[" sum "], %[" sum "]\n\t"
#define VQT_PAIR(i)                                                                           \
  "vmovdqa 64*" #i                                                                            \
  "(%[w]), %%ymm12\n\t"                                                                       \
  "vmovdqa 64*" #i "+32(%[w]), %%ymm13\n\t" VQT_ROW("24*" #i "(%[x])", "a0", "b0")            \
      VQT_ROW("24*" #i "+4(%[x])", "a1", "b1") VQT_ROW("24*" #i "+8(%[x])", "a2", "b2")       \
          VQT_ROW("24*" #i "+12(%[x])", "a3", "b3") VQT_ROW("24*" #i "+16(%[x])", "a4", "b4") \
              VQT_ROW("24*" #i "+20(%[x])", "a5", "b5")

enum class To { kAdd, kSubtract, kNone };

template <To kTo>
inline void add_to(int32_t* sums, const __m256i (&acc)[kTileRows][2]) {
  if (kTo == To::kNone) return;
#pragma GCC unroll 6
  for (int r = 0; r < kTileRows; ++r) {
    for (int i = 0; i < 2; ++i) {
      int32_t* s = sums + r * kBlockColumns + 8 * i;
      store(s, kTo == To::kAdd ? _mm256_add_epi32(load(s), acc[r][i]) : _mm256_sub_epi32(load(s), acc[r][i]));
    }
  }
}

template <To kFirst, To kSecond>
void tile(const Depth& d, const int32_t* x, const int32_t* w, int32_t* first, int32_t* second) {
  __m256i acc[kTileRows][2];
  int64_t pairs = d.pairs();
  asm volatile(
      VQT_ZERO("a0") VQT_ZERO("a1") VQT_ZERO("a2") VQT_ZERO("a3") VQT_ZERO("a4") VQT_ZERO("a5")  //
      VQT_ZERO("b0") VQT_ZERO("b1") VQT_ZERO("b2") VQT_ZERO("b3") VQT_ZERO("b4") VQT_ZERO("b5")
      ".p2align 5\n"
      "1:\n\t"  //
      VQT_PAIR(0) VQT_PAIR(1) VQT_PAIR(2) VQT_PAIR(3)
      "add $256, %[w]\n\t"
      "add $96, %[x]\n\t"
      "sub $4, %[n]\n\t"
      "jnz 1b\n\t"
      : [w] "+r"(w), [x] "+r"(x), [n] "+r"(pairs), [a0] "=&x"(acc[0][0]), [b0] "=&x"(acc[0][1]),
        [a1] "=&x"(acc[1][0]), [b1] "=&x"(acc[1][1]), [a2] "=&x"(acc[2][0]), [b2] "=&x"(acc[2][1]),
        [a3] "=&x"(acc[3][0]), [b3] "=&x"(acc[3][1]), [a4] "=&x"(acc[4][0]), [b4] "=&x"(acc[4][1]),
        [a5] "=&x"(acc[5][0]), [b5] "=&x"(acc[5][1])
      :
      : "memory", "cc", "ymm12", "ymm13", "ymm14", "ymm15");
  add_to<kFirst>(first, acc);
  add_to<kSecond>(second, acc);
}

// All of one pass for 12 rows x 32 columns. x, w: 7 operands each. c: sums [12][32].
void multiply(const Depth& d, const int32_t* x, const int32_t* w, int32_t* c) {
  int32_t *c11 = c, *c12 = c + kPanel, *c21 = c + kTileRows * kBlockColumns, *c22 = c21 + kPanel;
  const auto operand = [&](int p) { return w + p * d.w_operand(); };
  const int64_t s = d.x_operand();
  tile<To::kAdd, To::kAdd>(d, x, operand(0), c11, c22);
  tile<To::kAdd, To::kSubtract>(d, x + s, operand(1), c21, c22);
  tile<To::kAdd, To::kAdd>(d, x + 2 * s, operand(2), c12, c22);
  tile<To::kAdd, To::kAdd>(d, x + 3 * s, operand(3), c11, c21);
  tile<To::kSubtract, To::kAdd>(d, x + 4 * s, operand(4), c11, c12);
  tile<To::kAdd, To::kNone>(d, x + 5 * s, operand(5), c22, nullptr);
  tile<To::kAdd, To::kNone>(d, x + 6 * s, operand(6), c11, nullptr);
}

// Asks for the lines of y that a block of sums will be stored to, so that they arrive while it is computed.
inline void prefetch_y(const LinearInt8& a, int64_t row, int64_t column) {
  for (int64_t r = row; r < row + kBlockRows; ++r) {
    const float* y = a.y + r * a.y_stride + column - a.first_column;
    asm volatile("prefetchw (%0)\n\tprefetchw 64(%0)" : : "r"(y));
  }
}

inline void finish_block(const LinearInt8& a, int64_t row, int64_t column, Range columns,
                         const int32_t* sums) {
  for (int64_t r = 0; r < kBlockRows; ++r, sums += kBlockColumns) {
    finish(a, row + r, column, columns, load(sums), load(sums + 8));
    finish(a, row + r, column + kPanel, columns, load(sums + 16), load(sums + 24));
  }
}

// rows: a multiple of 12. columns: from a panel's start, a multiple of 32 wide after rounding up to panels.
void strassen(const LinearInt8& a, Range rows, Range columns) {
  const Depth d = cut_depth(a.k_pad);
  const int64_t first = columns.begin / kPanel * kPanel;
  const int64_t pairs = (columns.end - first + kBlockColumns - 1) / kBlockColumns;  // of panels
  const int64_t x_pass = kProducts * d.x_operand(), x_block = d.passes * x_pass;    // of 12 rows
  const int64_t w_pair = kProducts * d.w_operand();
  const int64_t blocks_at_once = std::clamp<int64_t>(kMaxXBytes / (x_block * 4), 1, rows.size() / kBlockRows);
  const int64_t pairs_at_once = std::clamp<int64_t>(kMaxWBytes / (w_pair * 4), 1, pairs);
  const int64_t x_count = blocks_at_once * x_block, w_count = pairs_at_once * w_pair;
  const int64_t sum_count = blocks_at_once * pairs_at_once * kSums;
  int32_t* w = static_cast<int32_t*>(scratch(static_cast<size_t>(x_count + w_count + sum_count) * 4));
  int32_t* sums = w + w_count;  // w comes first: it is read aligned
  int32_t* x = sums + sum_count;
  for (int64_t row = rows.begin; row < rows.end; row += blocks_at_once * kBlockRows) {
    const int64_t blocks = std::min(blocks_at_once, (rows.end - row) / kBlockRows);
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t pass = 0; pass < d.passes; ++pass) {
        widen_x(a, d, row + b * kBlockRows, pass, x + b * x_block + pass * x_pass);
      }
    }
    for (int64_t pair = 0; pair < pairs; pair += pairs_at_once) {
      const int64_t now = std::min(pairs_at_once, pairs - pair);
      std::memset(sums, 0, static_cast<size_t>(blocks * now * kSums) * 4);
      for (int64_t pass = 0; pass < d.passes; ++pass) {
        for (int64_t p = 0; p < now; ++p) {
          widen_w(a, d, first + (pair + p) * kBlockColumns, pass, w + p * w_pair);
        }
        for (int64_t b = 0; b < blocks; ++b) {
          for (int64_t p = 0; p < now; ++p) {
            const int64_t r = row + b * kBlockRows, c = first + (pair + p) * kBlockColumns;
            int32_t* block_sums = sums + (b * now + p) * kSums;
            const bool last = pass + 1 == d.passes;
            if (last) prefetch_y(a, r, c);
            multiply(d, x + b * x_block + pass * x_pass, w + p * w_pair, block_sums);
            if (last) finish_block(a, r, c, columns, block_sums);
          }
        }
      }
    }
  }
}

}  // namespace

void linear_int8_avx2(const LinearInt8& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  const int64_t many = rows.begin + rows.size() / kBlockRows * kBlockRows;
  const int64_t first_panel = columns.begin / kPanel, panels = (columns.end - 1) / kPanel + 1 - first_panel;
  const int64_t paired = std::min(columns.end, (first_panel + panels / 2 * 2) * kPanel);
  if (many > rows.begin && panels > 1) {
    strassen(a, {rows.begin, many}, {columns.begin, paired});
    if (paired < columns.end) direct(a, {rows.begin, many}, {paired, columns.end});
    if (many < rows.end) direct(a, {many, rows.end}, columns);
  } else {
    direct(a, rows, columns);
  }
}

}  // namespace vqt::cpu
