// A packed head, and the walk of tiles of 6 rows over blocks of keys, for kernels with 256-bit vectors. For files named
// *_avx2.cpp and *_avxvnni.cpp only. What differs between them is a struct Kernel:
//
//   Key, Code          how codes of k and v, and of q and weights, are stored
//   kZeroCode          the code of 0
//   pack_keys(a, head, h), pack_values(a, head, h)
//   pack_query(row, d, columns, scale, to)                 codes of a row of q
//   scores(h, q, shift, key, size, tile)                   of 6 rows and `size` keys from `key` on, by store_scores()
//   add_values(h, tile, key, size, to)                     the weighted sum, by add_columns()
#pragma once

#include <limits>

#include "cpu/attention/attention_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kPitch = kMaxAttentionHeadSize;
constexpr int kRows = 6;
constexpr int kTiles = 8;
constexpr int kGroupRows = kRows * kTiles;
constexpr int32_t kNoKey = -(1 << 30);

template <class Key>
struct Head {
  int64_t keys;     // rounded up to 32
  int64_t columns;  // d rounded up to 16
  float* made;      // [N][d], of k where its rows are made
  float* k_scale;   // [keys], as k's panels
  float* mean;      // [columns], of k
  float* step;      // smax * fold
  Key* k;
  int32_t* k_start;  // [keys], as k's panels: what sums begin with; kNoKey: there is none
  int16_t* k_mult;   // [keys], as scores
  int16_t* there;    // [kKeyBlock] of the last block, as scores: 1 or 0
  Key* v;
  float* v_ratio;           // [blocks][columns]
  float *v_scale, *v_mean;  // [columns]
  int64_t bytes;

  Head(const Attention& a, const std::byte* memory) {
    Arrays arrays(memory);
    keys = (a.keys + 31) / 32 * 32;
    columns = (a.d + 15) / 16 * 16;
    made = arrays.take<float>(a.k.make == nullptr ? 0 : a.keys * a.d);
    k_scale = arrays.take<float>(keys);
    mean = arrays.take<float>(columns);
    step = arrays.take<float>(1);
    k = arrays.take<Key>(keys * columns);
    k_start = arrays.take<int32_t>(keys);
    k_mult = arrays.take<int16_t>(keys);
    there = arrays.take<int16_t>(kKeyBlock);
    v = arrays.take<Key>(keys * columns);
    v_ratio = arrays.take<float>((keys + kKeyBlock - 1) / kKeyBlock * columns);
    v_scale = arrays.take<float>(columns);
    v_mean = arrays.take<float>(columns);
    bytes = arrays.bytes();
  }
};

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

// Keys of the block that begins at `key`, with those that are not there.
template <class Key>
inline int64_t block_size(const Head<Key>& h, int64_t key) {
  return least(h.keys - key, kKeyBlock);
}

// v_ratio holds the blocks' scales until all of them are known.
template <class Key>
void scales_to_ratios(Head<Key>& h) {
  for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
    for (int64_t j = 0; j < h.columns; j += 8) {
      float* ratio = h.v_ratio + b / kKeyBlock * h.columns + j;
      _mm256_store_ps(ratio, _mm256_div_ps(_mm256_load_ps(ratio), _mm256_load_ps(h.v_scale + j)));
    }
  }
}

// sum = {s0, s1}, in registers.
inline __attribute__((always_inline)) void start(__m256i s0, __m256i s1, __m256i (&sum)[kRows][2]) {
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    asm volatile("vmovdqa %1, %0" : "=x"(sum[r][0]) : "x"(s0));
    asm volatile("vmovdqa %1, %0" : "=x"(sum[r][1]) : "x"(s1));
  }
}

// Sums become the scores of 16 keys from i on.
template <class Code>
inline __attribute__((always_inline)) void store_scores(const __m256i (&sum)[kRows][2], __m128i shift,
                                                        __m256i mult, int i, Tile<kRows, Code>& tile) {
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    const __m256i s =
        _mm256_packs_epi32(_mm256_sra_epi32(sum[r][0], shift), _mm256_sra_epi32(sum[r][1], shift));
    store(tile.score[r] + i, _mm256_mulhrs_epi16(s, mult));
  }
}

// Sums of a block become part of 16 columns of to [rows][columns].
template <class Code>
inline __attribute__((always_inline)) void add_columns(const __m256i (&sum)[kRows][2],
                                                       const Tile<kRows, Code>& tile, const float* ratios,
                                                       int64_t columns, float* to) {
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    const __m256 alpha = _mm256_set1_ps(tile.alpha[r]), beta = _mm256_set1_ps(tile.beta[r]);
#pragma GCC unroll 2
    for (int p = 0; p < 2; ++p) {
      float* acc = to + r * columns + 8 * p;
      const __m256 factor = _mm256_mul_ps(beta, _mm256_load_ps(ratios + 8 * p));
      _mm256_store_ps(acc, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][p]), factor,
                                           _mm256_mul_ps(_mm256_load_ps(acc), alpha)));
    }
  }
}

template <class Code>
struct Work {
  alignas(32) Code q[kGroupRows][kPitch];
  Exponent exponent[kGroupRows];
  Tile<kRows, Code> tile;
  RowState state[kTiles];
  alignas(32) float acc[kGroupRows * kMaxAttentionHeadSize];  // [row][columns]
};

// At most kGroupRows.
template <class Kernel>
void group_of_rows(const Attention& a, int64_t head, const Head<typename Kernel::Key>& h, Range queries,
                   Work<typename Kernel::Code>& work) {
  const int count = static_cast<int>(queries.size()), tiles = (count + kRows - 1) / kRows,
            shift = attention_shift(a.d);
  const RowsOfHead q = rows_of_head(a, a.q, head, queries, work.acc);
  for (int r = 0; r < tiles * kRows; ++r) {
    work.exponent[r] = Exponent();
    for (typename Kernel::Code& code : work.q[r]) code = Kernel::kZeroCode;
    if (r < count) {
      const float scale = scale_of_row(q[r], nullptr, a.d);
      Kernel::pack_query(q[r], a.d, h.columns, scale, work.q[r]);
      work.exponent[r] = Exponent(scale, *h.step);
    }
    work.state[r / kRows].c[r % kRows] = work.exponent[r].c;
  }
  for (int i = 0; i < tiles; ++i) {
    _mm256_store_ps(work.state[i].m, _mm256_set1_ps(-std::numeric_limits<float>::infinity()));
    _mm256_store_ps(work.state[i].l, _mm256_setzero_ps());
  }
  for (int64_t j = 0; j < tiles * kRows * h.columns; j += 8)
    _mm256_store_ps(work.acc + j, _mm256_setzero_ps());
  for (int64_t key = 0; key < h.keys; key += kKeyBlock) {
    const int size = static_cast<int>(block_size(h, key));
    for (int i = 0; i < tiles; ++i) {
      const int row = i * kRows;
      Kernel::scores(h, work.q[row], shift, key, size, work.tile);
      softmax(work.tile, work.state[i], work.exponent + row, size,
              key + kKeyBlock <= a.keys ? nullptr : h.there);
      Kernel::add_values(h, work.tile, key, size, work.acc + row * h.columns);
    }
  }
  for (int r = 0; r < count; ++r) {
    const float c = work.exponent[r].c;
    const __m256 share =
        _mm256_set1_ps(128.0f / work.state[r / kRows].l[r % kRows] + (c - c));  // c - c: 0, or NaN
    float* out = a.out_row(head / a.heads, head % a.heads, queries.begin + r);
    for (int64_t j = 0; j < a.d; j += 8)
      finish_columns(work.acc + r * h.columns, share, h.v_scale, h.v_mean, out, j, a.d);
  }
}

template <class Kernel>
void rows(const Attention& a, int64_t head, const std::byte* packed, Range queries) {
  const Head<typename Kernel::Key> h(a, packed);
  Work<typename Kernel::Code> work;
  for (int64_t i = queries.begin; i < queries.end; i += kGroupRows) {
    group_of_rows<Kernel>(a, head, h, {i, least(i + kGroupRows, queries.end)}, work);
  }
}

template <class Kernel>
int64_t packed_bytes(const Attention& a) {
  return Head<typename Kernel::Key>(a, nullptr).bytes;
}

template <class Kernel>
void pack(const Attention& a, int64_t head, std::byte* packed) {
  Head<typename Kernel::Key> h(a, packed);
  Kernel::pack_keys(a, head, h);
  Kernel::pack_values(a, head, h);
}

}  // namespace
}  // namespace vqt::cpu
