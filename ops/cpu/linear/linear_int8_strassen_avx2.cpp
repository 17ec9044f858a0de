// int8 on AVX2, large m: two schemes that need fewer multiplications. Both are exact in integers that wrap.
//
// Winograd's inner product: x0 w0 + x1 w1 = (x0 + w1) (x1 + w0) - x0 x1 - w0 w1. The last two terms are sums
// over a row of x and a column of w, computed once. 4 values of k for 8 columns cost 2 vpaddw, 1 vpmaddwd and
// 1 vpaddd instead of 2 vpmaddwd and 2 vpaddd: the same number of instructions, but additions run on four
// ports and vpmaddwd on two of them.
//
// Strassen's scheme: 8 rows x 32 columns x k are 2 x 2 x 2 blocks, which take 7 tiles instead of 8.
//
//   rows of x:  [x11 x12]   4 rows      weights:  [w11 w12]  first half of k     sums:  [c11 c12]
//               [x21 x22]   4 rows                [w21 w22]  second half                [c21 c22]
//                                                 16   16 columns
//
// All operands fit s16: twice -255..255 and twice -128..127 add up to within -766..764.
#include <algorithm>
#include <cstdint>
#include <cstring>

#include "cpu/layout/panel.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_int8_widened_avx2.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

using Depth = StrassenDepth;

constexpr int kStrassenTileRows = 4;
constexpr int64_t kStrassenRows = Depth::kRows, kStrassenColumns = Depth::kColumns;
constexpr int kStrassenOperands = Depth::kOperands;
constexpr int64_t kStrassenSums = kStrassenRows * kStrassenColumns;
static_assert(kStrassenRows == 2 * kStrassenTileRows && kStrassenColumns == 2 * kPanel);

// How k is cut: strassen_depth (linear_block.h); lanes past the end count as 0.
//
//   x operand   { -sum of x0 x1: i32[4 rows], 16 unused bytes }   [half][4 rows] { even, odd } pairs of s16
//   w operand   { -sum of w0 w1: i32[16] }                        [half] { odd, even of columns 0..7,
//                                                                          odd, even of columns 8..15 }

inline Wide spread(int32_t value) {
  const __m256i v = _mm256_set1_epi16(static_cast<int16_t>(value));
  return {v, v};
}

// The 7 left and right operands from the 4 blocks.
inline void combine_x(Wide x11, Wide x12, Wide x21, Wide x22,
                      Wide (&out)[kStrassenOperands][kStrassenTileRows], int r) {
  out[0][r] = x11 + x22;
  out[1][r] = x21 + x22;
  out[2][r] = x11;
  out[3][r] = x22;
  out[4][r] = x11 + x12;
  out[5][r] = x21 - x11;
  out[6][r] = x12 - x22;
}
inline void combine_w(Wide w11, Wide w12, Wide w21, Wide w22, Wide (&out)[kStrassenOperands]) {
  out[0] = w11 + w22;
  out[1] = w11;
  out[2] = w12 - w22;
  out[3] = w21 - w11;
  out[4] = w22;
  out[5] = w11 + w12;
  out[6] = w21 + w22;
}

// Lanes [at, at + 8) of a row of x of which `end` exist, less x's zero. Values past k meet weights
// that are 0.
inline Wide x_lanes(const uint8_t* row, int64_t at, int64_t end, Wide zero) {
  if (at + 8 <= end) return widen_unsigned(load(row + 4 * at)) - zero;
  alignas(32) uint8_t part[32] = {};
  if (at < end) std::memcpy(part, row + 4 * at, static_cast<size_t>(end - at) * 4);
  return widen_unsigned(load(part)) - zero;
}

// 8 lanes of 4 rows -> [8][4] { even, odd }
inline void interleave(const Wide (&rows)[kStrassenTileRows], int32_t* out) {
  __m256i low[kStrassenTileRows], high[kStrassenTileRows];  // { even, odd } of lanes 0 1 | 4 5 and 2 3 | 6 7
  for (int r = 0; r < kStrassenTileRows; ++r) {
    low[r] = _mm256_unpacklo_epi32(rows[r].even, rows[r].odd);
    high[r] = _mm256_unpackhi_epi32(rows[r].even, rows[r].odd);
  }
  const auto put = [&](const __m256i(&v)[kStrassenTileRows], int lane) {
    const __m256i a01 = _mm256_unpacklo_epi64(v[0], v[1]), a23 = _mm256_unpacklo_epi64(v[2], v[3]);
    const __m256i b01 = _mm256_unpackhi_epi64(v[0], v[1]), b23 = _mm256_unpackhi_epi64(v[2], v[3]);
    store(out + 8 * lane, _mm256_permute2x128_si256(a01, a23, 0x20));
    store(out + 8 * (lane + 1), _mm256_permute2x128_si256(b01, b23, 0x20));
    store(out + 8 * (lane + 4), _mm256_permute2x128_si256(a01, a23, 0x31));
    store(out + 8 * (lane + 5), _mm256_permute2x128_si256(b01, b23, 0x31));
  };
  put(low, 0);
  put(high, 2);
}

inline int32_t negated_sum(__m256i v) {
  __m128i s = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
  s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
  return _mm_cvtsi128_si32(_mm_sub_epi32(_mm_setzero_si128(), s));
}

// 8 rows and one pass -> 7 operands.
void widen_x(const LinearInt8Job& a, const Depth& d, int64_t row, int64_t pass, int32_t* out) {
  const int64_t begin = pass * d.pass_lanes, middle = begin + d.half;
  const int64_t end = std::min(begin + d.pass_lanes, d.lanes), first_end = std::min(middle, end);
  __m256i products[kStrassenOperands][kStrassenTileRows];
  for (auto& operand : products) std::fill(operand, operand + kStrassenTileRows, _mm256_setzero_si256());
  for (int64_t i = 0; i < d.half; i += 8) {
    Wide wide[kStrassenOperands][kStrassenTileRows];
    for (int r = 0; r < kStrassenTileRows; ++r) {
      const uint8_t* upper = a.x.q + (row + r) * a.x.k_pad;
      const uint8_t* lower = upper + kStrassenTileRows * a.x.k_pad;
      const Wide z1 = spread(a.x.zero[row + r]), z2 = spread(a.x.zero[row + r + kStrassenTileRows]);
      combine_x(x_lanes(upper, begin + i, first_end, z1), x_lanes(upper, middle + i, end, z1),
                x_lanes(lower, begin + i, first_end, z2), x_lanes(lower, middle + i, end, z2), wide, r);
    }
    for (int p = 0; p < kStrassenOperands; ++p) {
      for (int r = 0; r < kStrassenTileRows; ++r) {
        products[p][r] = _mm256_add_epi32(products[p][r], _mm256_madd_epi16(wide[p][r].even, wide[p][r].odd));
      }
      interleave(wide[p], out + p * d.x_operand() + 2 * kStrassenTileRows * (i + 1));
    }
  }
  for (int p = 0; p < kStrassenOperands; ++p) {
    for (int r = 0; r < kStrassenTileRows; ++r) out[p * d.x_operand() + r] = negated_sum(products[p][r]);
  }
}

inline Wide w_lanes(const int8_t* panel, int64_t at, int64_t end) {
  return at < end ? widen_signed(load(panel + at * 64))
                  : Wide{_mm256_setzero_si256(), _mm256_setzero_si256()};
}

// 32 columns and one pass -> 7 operands.
void widen_w(const LinearInt8Job& a, const Depth& d, int64_t column, int64_t pass, int32_t* out) {
  const int64_t begin = pass * d.pass_lanes, middle = begin + d.half;
  const int64_t end = std::min(begin + d.pass_lanes, d.lanes), first_end = std::min(middle, end);
  for (int part = 0; part < 2; ++part) {  // 8 columns of each panel
    const int8_t* left = a.w + column * a.w_depth() + 32 * part;
    const int8_t* right = left + kPanel * a.w_depth();
    __m256i products[kStrassenOperands];
    std::fill(products, products + kStrassenOperands, _mm256_setzero_si256());
    for (int64_t i = 0; i < d.half; ++i) {
      Wide wide[kStrassenOperands];
      combine_w(w_lanes(left, begin + i, first_end), w_lanes(right, begin + i, first_end),
                w_lanes(left, middle + i, end), w_lanes(right, middle + i, end), wide);
      int32_t* to = out + kPanel + 2 * kPanel * i + kPanel * part;
#pragma GCC unroll 7
      for (int p = 0; p < kStrassenOperands; ++p, to += d.w_operand()) {
        products[p] = _mm256_sub_epi32(products[p], _mm256_madd_epi16(wide[p].even, wide[p].odd));
        store(to, wide[p].odd);
        store(to + 8, wide[p].even);
      }
    }
    for (int p = 0; p < kStrassenOperands; ++p) store(out + p * d.w_operand() + 8 * part, products[p]);
  }
}

// 4 rows x 16 columns over `half` lanes (a multiple of 4), added to one or two blocks of the sums.
// Registers: 8 accumulators, 4 weights, 4 temporaries. Inline asm because the compiler spills. The sums of
// a row are added while the products of the next row are computed: additions then leave the ports free
// that vpmaddwd needs.
#define VQT_START(row, low, high)   \
  "vpbroadcastd 4*" #row            \
  "(%[x]), %%ymm14\n\t"             \
  "vpaddd %%ymm14, %%ymm12, %[" low \
  "]\n\t"                           \
  "vpaddd %%ymm14, %%ymm13, %[" high "]\n\t"
#define VQT_WEIGHTS(i)     \
  "vmovdqa 128*" #i        \
  "(%[w]), %%ymm8\n\t"     \
  "vmovdqa 128*" #i        \
  "+32(%[w]), %%ymm9\n\t"  \
  "vmovdqa 128*" #i        \
  "+64(%[w]), %%ymm10\n\t" \
  "vmovdqa 128*" #i "+96(%[w]), %%ymm11\n\t"
#define VQT_ROW(i, row, last_low, last_high)       \
  "vpaddd %%ymm14, %[" last_low "], %[" last_low   \
  "]\n\t"                                          \
  "vpbroadcastd 32*" #i "+8*" #row                 \
  "(%[x]), %%ymm12\n\t"                            \
  "vpbroadcastd 32*" #i "+8*" #row                 \
  "+4(%[x]), %%ymm13\n\t"                          \
  "vpaddd %%ymm15, %[" last_high "], %[" last_high \
  "]\n\t"                                          \
  "vpaddw %%ymm8, %%ymm12, %%ymm14\n\t"            \
  "vpaddw %%ymm9, %%ymm13, %%ymm15\n\t"            \
  "vpmaddwd %%ymm14, %%ymm15, %%ymm14\n\t"         \
  "vpaddw %%ymm10, %%ymm12, %%ymm15\n\t"           \
  "vpaddw %%ymm11, %%ymm13, %%ymm13\n\t"           \
  "vpmaddwd %%ymm15, %%ymm13, %%ymm15\n\t"
#define VQT_LANE(i)         \
  VQT_WEIGHTS(i)            \
  VQT_ROW(i, 0, "a3", "b3") \
  VQT_ROW(i, 1, "a0", "b0") \
  VQT_ROW(i, 2, "a1", "b1") \
  VQT_ROW(i, 3, "a2", "b2")

enum class To { kAdd, kSubtract, kNone };

template <To kTo>
inline void add_to(int32_t* sums, const __m256i (&acc)[kStrassenTileRows][2]) {
  if (kTo == To::kNone) return;
#pragma GCC unroll 4
  for (int r = 0; r < kStrassenTileRows; ++r) {
    for (int i = 0; i < 2; ++i) {
      int32_t* s = sums + r * kStrassenColumns + 8 * i;
      store(s, kTo == To::kAdd ? _mm256_add_epi32(load(s), acc[r][i]) : _mm256_sub_epi32(load(s), acc[r][i]));
    }
  }
}

template <To kFirst, To kSecond>
void tile(const Depth& d, const int32_t* x, const int32_t* w, int32_t* first, int32_t* second) {
  __m256i acc[kStrassenTileRows][2];
  int64_t lanes = d.half;
  asm volatile(
      "vmovdqa (%[w]), %%ymm12\n\t"
      "vmovdqa 32(%[w]), %%ymm13\n\t"  //
      VQT_START(0, "a0", "b0") VQT_START(1, "a1", "b1") VQT_START(2, "a2", "b2") VQT_START(3, "a3", "b3")
      "add $64, %[w]\n\t"
      "add $32, %[x]\n\t"
      "vpxor %%ymm14, %%ymm14, %%ymm14\n\t"
      "vpxor %%ymm15, %%ymm15, %%ymm15\n\t"
      ".p2align 5\n"
      "1:\n\t"  //
      VQT_LANE(0) VQT_LANE(1) VQT_LANE(2) VQT_LANE(3)
      "add $512, %[w]\n\t"
      "add $128, %[x]\n\t"
      "sub $4, %[n]\n\t"
      "jnz 1b\n\t"
      "vpaddd %%ymm14, %[a3], %[a3]\n\t"
      "vpaddd %%ymm15, %[b3], %[b3]\n\t"
      : [w] "+r"(w), [x] "+r"(x), [n] "+r"(lanes), [a0] "=&x"(acc[0][0]), [b0] "=&x"(acc[0][1]),
        [a1] "=&x"(acc[1][0]), [b1] "=&x"(acc[1][1]), [a2] "=&x"(acc[2][0]), [b2] "=&x"(acc[2][1]),
        [a3] "=&x"(acc[3][0]), [b3] "=&x"(acc[3][1])
      :
      : "memory", "cc", "ymm8", "ymm9", "ymm10", "ymm11", "ymm12", "ymm13", "ymm14", "ymm15");
  add_to<kFirst>(first, acc);
  add_to<kSecond>(second, acc);
}

#undef VQT_START
#undef VQT_WEIGHTS
#undef VQT_ROW
#undef VQT_LANE

// All of one pass for 8 rows x 32 columns. x, w: 7 operands each. c: sums [8][32].
void multiply(const Depth& d, const int32_t* x, const int32_t* w, int32_t* c) {
  int32_t *c11 = c, *c12 = c + kPanel, *c21 = c + kStrassenTileRows * kStrassenColumns, *c22 = c21 + kPanel;
  const int64_t next_x = d.x_operand(), next_w = d.w_operand();
  tile<To::kAdd, To::kAdd>(d, x, w, c11, c22);
  tile<To::kAdd, To::kSubtract>(d, x += next_x, w += next_w, c21, c22);
  tile<To::kAdd, To::kAdd>(d, x += next_x, w += next_w, c12, c22);
  tile<To::kAdd, To::kAdd>(d, x += next_x, w += next_w, c11, c21);
  tile<To::kSubtract, To::kAdd>(d, x += next_x, w += next_w, c11, c12);
  tile<To::kAdd, To::kNone>(d, x += next_x, w += next_w, c22, nullptr);
  tile<To::kAdd, To::kNone>(d, x += next_x, w += next_w, c11, nullptr);
}

// Prefetches the lines of 8 rows x 32 columns that the epilogue will touch while a block is computed.
template <class T>
inline void prefetch(const T* rows, int64_t stride) {
  if (rows == nullptr) return;
  for (int64_t r = 0; r < kStrassenRows; ++r, rows += stride) {
    for (int64_t c = 0; c < kStrassenColumns; c += 64 / static_cast<int64_t>(sizeof(T))) {
      __builtin_prefetch(rows + c, 0, 1);
    }
  }
}
inline void prefetch_result(const Epilogue& e, int64_t row, int64_t column) {
  const int64_t c = column - e.first_column;
  if (e.y != nullptr) prefetch(e.y + row * e.y_stride + c, e.y_stride);
  if (e.residual != nullptr) prefetch(e.residual + row * e.residual_stride + c, e.residual_stride);
}

inline void finish_block(const LinearInt8Job& a, int64_t row, int64_t column, Range columns,
                         const int32_t* sums) {
  for (int64_t r = row; r < row + kStrassenRows; ++r, sums += kStrassenColumns) {
    __m256 v[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) v[i] = scaled(a, r, column + 8 * i, load(sums + 8 * i));
    finish(a.out, r, column, columns, v);
  }
}

// rows: a multiple of 8, not empty. columns: an even number of panels, not empty.
void strassen(const LinearInt8Job& a, Range rows, Range columns) {
  count_run(LinearKernel::kInt8StrassenAvx2);
  const Depth d = strassen_depth(a.k);
  const LinearBlock block = linear_block(LinearKernel::kInt8StrassenAvx2, a.x.rows, a.k, 0, cache_sizes());
  const int64_t first = columns.begin / kPanel * kPanel;
  const int64_t pairs = (columns.end - first + kStrassenColumns - 1) / kStrassenColumns;  // of panels
  const int64_t x_pass = kStrassenOperands * d.x_operand(), x_block = d.passes * x_pass;  // of 8 rows
  const int64_t w_pair = kStrassenOperands * d.w_operand();
  const int64_t blocks_at_once = std::min(block.rows, rows.size()) / kStrassenRows;
  const int64_t pairs_at_once = std::min(block.columns / kStrassenColumns, pairs);
  const int64_t x_count = blocks_at_once * x_block, w_count = pairs_at_once * w_pair;
  const int64_t sum_count = blocks_at_once * pairs_at_once * kStrassenSums;
  int32_t* w = static_cast<int32_t*>(scratch(static_cast<size_t>(x_count + w_count + sum_count) * 4));
  int32_t* sums = w + w_count;  // w comes first: it is read aligned
  int32_t* x = sums + sum_count;
  for (int64_t row = rows.begin; row < rows.end; row += blocks_at_once * kStrassenRows) {
    const int64_t blocks = std::min(blocks_at_once, (rows.end - row) / kStrassenRows);
    for (int64_t b = 0; b < blocks; ++b) {
      for (int64_t pass = 0; pass < d.passes; ++pass) {
        widen_x(a, d, row + b * kStrassenRows, pass, x + b * x_block + pass * x_pass);
      }
    }
    for (int64_t pair = 0; pair < pairs; pair += pairs_at_once) {
      const int64_t now = std::min(pairs_at_once, pairs - pair);
      std::memset(sums, 0, static_cast<size_t>(blocks * now * kStrassenSums) * 4);
      for (int64_t pass = 0; pass < d.passes; ++pass) {
        for (int64_t p = 0; p < now; ++p) {
          widen_w(a, d, first + (pair + p) * kStrassenColumns, pass, w + p * w_pair);
        }
        for (int64_t b = 0; b < blocks; ++b) {
          for (int64_t p = 0; p < now; ++p) {
            const int64_t r = row + b * kStrassenRows, c = first + (pair + p) * kStrassenColumns;
            int32_t* block_sums = sums + (b * now + p) * kStrassenSums;
            const bool last = pass + 1 == d.passes;
            if (last) prefetch_result(a.out, r, c);
            multiply(d, x + b * x_block + pass * x_pass, w + p * w_pair, block_sums);
            if (last) finish_block(a, r, c, columns, block_sums);
          }
        }
      }
    }
  }
}

}  // namespace

// Rows that do not fill a block of 8 and a panel without a neighbour are left to the direct kernel.
void linear_int8_strassen_avx2(const LinearInt8Job& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  const int64_t tail = rows.begin + rows.size() / kStrassenRows * kStrassenRows;
  const int64_t first_panel = columns.begin / kPanel, panels = (columns.end - 1) / kPanel + 1 - first_panel;
  const int64_t paired =
      panels < 2 ? columns.begin : std::min(columns.end, (first_panel + panels / 2 * 2) * kPanel);
  if (tail > rows.begin && paired > columns.begin) strassen(a, {rows.begin, tail}, {columns.begin, paired});
  linear_int8_direct_avx2(a, {rows.begin, tail}, {paired, columns.end});
  linear_int8_direct_avx2(a, {tail, rows.end}, columns);
}

}  // namespace vqt::cpu
