// The softmax of a tile of rows in a block of keys, for kernels with 512-bit vectors. For files named
// *_avx512vnni.cpp only.
//
// Stages are functions of their own, not inlined: in one function g++ 12 keeps their constants in registers
// across the products and spills the products' accumulators.
#pragma once

#include <limits>

#include "cpu/attention/attention_avx512.h"

namespace vqt::cpu {
namespace {

// What is kept of a tile between blocks.
struct RowState {
  alignas(64) float m[16];
  alignas(64) float l[16];
};

// What a tile of up to 16 rows needs in one block.
template <int kRows>
struct Tile {
  alignas(64) int16_t score[kRows][kKeyBlock];
  alignas(64) uint8_t code[kRows][kKeyBlock];
  alignas(64) int32_t top[16];
  alignas(64) int32_t sum[kRows][16];
  alignas(64) float alpha[16], beta[16];
};

inline __m512i all16(int value) { return _mm512_set1_epi16(static_cast<int16_t>(value)); }

inline __m512 exp2_of(__m512 x) {
  x = _mm512_max_ps(x, _mm512_set1_ps(-126.0f));  // the second one where x is NaN
  const __m512 z = _mm512_add_ps(x, _mm512_set1_ps(kRoundToInt));
  const __m512 f = _mm512_sub_ps(x, _mm512_sub_ps(z, _mm512_set1_ps(kRoundToInt)));
  __m512 p = _mm512_set1_ps(kExp2[5]);
#pragma GCC unroll 5
  for (int i = 4; i >= 0; --i) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(kExp2[i]));
  return _mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(z), 23)));
}

// Lane r: the sum of v[r]. Lanes behind kRows: any.
template <int kRows>
inline __m512i sum_of_each(const int32_t (*v)[16]) {
  __m512i b[8], c[4];
  const auto row = [&](int r) { return _mm512_load_si512(v[r < kRows ? r : kRows - 1]); };
  const auto add = [](__m512i x, __m512i y) { return _mm512_add_epi32(x, y); };
  each<8>([&](auto i) {
    const __m512i x = row(2 * i), y = row(2 * i + 1);
    b[i] = add(_mm512_unpacklo_epi32(x, y), _mm512_unpackhi_epi32(x, y));
  });
  each<4>([&](auto i) {
    c[i] = add(_mm512_unpacklo_epi64(b[2 * i], b[2 * i + 1]), _mm512_unpackhi_epi64(b[2 * i], b[2 * i + 1]));
  });
  const __m512i d = add(_mm512_shuffle_i32x4(c[0], c[1], 0x44), _mm512_shuffle_i32x4(c[0], c[1], 0xee));
  const __m512i e = add(_mm512_shuffle_i32x4(c[2], c[3], 0x44), _mm512_shuffle_i32x4(c[2], c[3], 0xee));
  return add(_mm512_shuffle_i32x4(d, e, 0x88), _mm512_shuffle_i32x4(d, e, 0xdd));
}

// The largest score, in the lowest lane.
inline __m128i largest_score(__m512i scores) {
  const __m128i flip =
      _mm_set1_epi16(0x7fff);  // the largest s16 becomes the least u16, which has an instruction
  const __m256i half = _mm256_max_epi16(_mm512_castsi512_si256(scores), _mm512_extracti64x4_epi64(scores, 1));
  const __m128i quarter = _mm_max_epi16(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
  return _mm_xor_si128(_mm_minpos_epu16(_mm_xor_si128(quarter, flip)), flip);
}

// From a row's scores to its codes, and the sum of what they were rounded from.
struct Weights {
  __m512i top, mult, bits, rest, sum = _mm512_setzero_si512();

  Weights(__m512i largest, uint16_t factor, uint16_t shift)
      : top(largest), mult(all16(factor)), bits(all16(shift)), rest(_mm512_sub_epi16(all16(16), bits)) {}

  // 32 keys; there: 1, or 0 for a key that is not.
  inline __attribute__((always_inline)) __m512i operator()(__m512i scores, __m512i there) {
    const __m512i y = _mm512_mulhi_epu16(_mm512_sub_epi16(top, scores), mult);
    const __m512i f = _mm512_sllv_epi16(y, rest);
    __m512i p = _mm512_sub_epi16(all16(kPower[1]), _mm512_mulhi_epu16(f, all16(kPower[2])));
    p = _mm512_sub_epi16(all16(kPower[0]), _mm512_mulhi_epu16(f, p));
    p = _mm512_srlv_epi16(p, _mm512_srlv_epi16(y, bits));  // 0 from 16 on
    sum = _mm512_dpwssd_epi32(sum, p, there);
    return _mm512_mulhrs_epi16(p, all16(256));  // (p + 64) >> 7
  }
};

// A block's largest scores and sums of weights become part of the rows' state. alpha, beta: the factors of what
// the rows had, and of what the block adds.
template <int kRows>
inline void take_in_block(const int32_t* top, const int32_t (*sums)[16], const float* c, RowState& state,
                          float* alpha, float* beta) {
  const __m512 sum = _mm512_cvtepi32_ps(sum_of_each<kRows>(sums));
  const __m512 t = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_load_si512(top)), _mm512_loadu_ps(c));
  const __m512 m = _mm512_load_ps(state.m), most = _mm512_max_ps(t, m), one = _mm512_set1_ps(1.0f);
  const __m512 e = exp2_of(_mm512_sub_ps(_mm512_min_ps(t, m), most));
  const __mmask16 grows = _mm512_cmp_ps_mask(t, m, _CMP_GT_OQ);
  const __m512 old = _mm512_mask_mov_ps(one, grows, e), added = _mm512_mask_mov_ps(e, grows, one);
  _mm512_store_ps(state.m, most);
  _mm512_store_ps(state.l, _mm512_fmadd_ps(sum, added, _mm512_mul_ps(_mm512_load_ps(state.l), old)));
  _mm512_store_ps(alpha, old);
  _mm512_store_ps(beta, added);
}

template <int kRows>
inline void find_tops(Tile<kRows>& tile, int size) {
#pragma GCC unroll 2
  for (int r = 0; r < kRows; ++r) {
    __m512i most = _mm512_load_si512(tile.score[r]);
#pragma GCC unroll 4
    for (int i = 32; i < size; i += 32) most = _mm512_max_epi16(most, _mm512_load_si512(tile.score[r] + i));
    tile.top[r] = static_cast<int16_t>(_mm_cvtsi128_si32(largest_score(most)));
  }
}

// kWhole: a block of 128 keys, all there.
template <int kRows, bool kWhole>
inline void find_codes(Tile<kRows>& tile, const uint16_t* mults, const uint16_t* shifts, const int16_t* there,
                       int size) {
#pragma GCC unroll 1
  for (int r = 0; r < kRows; ++r) {
    Weights weights(all16(tile.top[r]), mults[r], shifts[r]);
    const auto next = [&](int i) __attribute__((always_inline)) {
      return weights(_mm512_load_si512(tile.score[r] + i), kWhole ? all16(1) : _mm512_load_si512(there + i));
    };
    int i = 0;
#pragma GCC unroll 2
    for (; i + 64 <= (kWhole ? kKeyBlock : size); i += 64) {
      const __m512i a = next(i), b = next(i + 32);
      _mm512_store_si512(tile.code[r] + i, _mm512_packus_epi16(a, b));
    }
    if (!kWhole && i < size) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(tile.code[r] + i), _mm512_cvtepi16_epi8(next(i)));
    }
    _mm512_store_si512(tile.sum[r], weights.sum);
  }
}

// Scores become codes, and the rows' state takes in the block. size: keys, a multiple of 32; whole: all are there.
template <int kRows>
__attribute__((noinline)) void softmax(Tile<kRows>& tile, RowState& state, const float* c,
                                       const uint16_t* mults, const uint16_t* shifts, const int16_t* there,
                                       int size, bool whole) {
  if (whole) {
    find_tops(tile, kKeyBlock);
    find_codes<kRows, true>(tile, mults, shifts, there, kKeyBlock);
  } else {
    find_tops(tile, size);
    find_codes<kRows, false>(tile, mults, shifts, there, size);
  }
  take_in_block<kRows>(tile.top, tile.sum, c, state, tile.alpha, tile.beta);
}

// Before the first block. values: of acc.
inline void reset(RowState* states, int tiles, float* acc, int64_t values) {
  for (int i = 0; i < tiles; ++i) {
    _mm512_store_ps(states[i].m, _mm512_set1_ps(-std::numeric_limits<float>::infinity()));
    _mm512_store_ps(states[i].l, _mm512_setzero_ps());
  }
  for (int64_t j = 0; j < values; j += 16) _mm512_store_ps(acc + j, _mm512_setzero_ps());
}

// After the last one: the result's rows. c: of each row; acc: [row][columns].
template <int kRows>
inline void write_rows(const Attention& a, int64_t head, const Head& h, Range queries, const float* c,
                       const RowState* states, const float* acc) {
  for (int64_t r = 0; r < queries.size(); ++r) {
    write_row(a, h, c[r], states[r / kRows].l[r % kRows], acc + r * h.columns,
              a.out_row(head / a.heads, head % a.heads, queries.begin + r));
  }
}

// visit(rows, the rows that follow) for groups of at most kGroupRows.
template <int kGroupRows, class Visit>
inline void for_each_group(Range queries, Visit visit) {
  const auto range = [&](int64_t i) {
    return Range{least(i, queries.end), least(i + kGroupRows, queries.end)};
  };
  for (int64_t i = queries.begin; i < queries.end; i += kGroupRows) visit(range(i), range(i + kGroupRows));
}

}  // namespace
}  // namespace vqt::cpu
