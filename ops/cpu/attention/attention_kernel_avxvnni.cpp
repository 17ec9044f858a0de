// Attention with 256-bit vpdpbusd: tiles of 6 rows by 16 keys or columns, 12 accumulators.
//
//   q   [rows][kPitch] u8, codes + 128
//   k   [keys/16][d/4][16 keys][4 values] s8         d is rounded up to 16, keys to 32, with zeros
//   v   [blocks][d/16][keys of the block / 4][16 columns][4 keys] s8
//
// Packing int32 to s16 and s16 to u8 interleaves 128-bit lanes, so the keys of k change places and the codes
// of a row come out in order:
//
//   of 32 keys   panels of 16 keys in k   a: 0-3 16-19 4-7 20-23     b: 8-11 24-27 12-15 28-31
//                scores, vpackssdw        a: 0-7 16-23               b: 8-15 24-31
//                codes, vpackuswb         0-31
#include <cstring>
#include <limits>
#include <utility>

#include "cpu/attention/attention_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kPitch = kMaxAttentionHeadSize;
constexpr int kRows = 6;
constexpr int kTiles = 8;
constexpr int kGroupRows = kRows * kTiles;
constexpr int32_t kNoKey = -(1 << 30);

struct Head {
  int64_t keys;     // rounded up to 32
  int64_t columns;  // d rounded up to 16
  float* made;      // [N][d], of k where its rows are made
  float* k_scale;   // [keys], as k's panels
  float* mean;      // [columns], of k
  float* step;      // smax * fold
  int8_t* k;
  int32_t* k_start;  // [keys], as k's panels: -128 * sum of codes, against q's 128; kNoKey: there is none
  int16_t* k_mult;   // [keys], as scores
  int16_t* there;    // [kKeyBlock] of the last block, as scores: 1 or 0
  int8_t* v;
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
    k = arrays.take<int8_t>(keys * columns);
    k_start = arrays.take<int32_t>(keys);
    k_mult = arrays.take<int16_t>(keys);
    there = arrays.take<int16_t>(kKeyBlock);
    v = arrays.take<int8_t>(keys * columns);
    v_ratio = arrays.take<float>((keys + kKeyBlock - 1) / kKeyBlock * columns);
    v_scale = arrays.take<float>(columns);
    v_mean = arrays.take<float>(columns);
    bytes = arrays.bytes();
  }
};

// Of 32 keys: the one in lane r of panel p; and where a key has its score.
int64_t key_of_lane(int64_t p, int64_t r) { return 8 * p + r / 8 * 4 + r / 4 % 2 * 16 + r % 4; }
int64_t score_position(int64_t key) { return key / 16 * 8 + key % 8 + key / 8 % 2 * 16; }

inline __m256i load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
inline void store(void* p, __m256i v) { _mm256_storeu_si256(static_cast<__m256i*>(p), v); }

inline void dot4(__m256i& acc, __m256i x, __m256i w) {
  asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(acc) : "x"(x), "x"(w));
}

// 32 codes of two times 16.
__m256i to_bytes(__m256i a, __m256i b) { return _mm256_permute4x64_epi64(_mm256_packs_epi16(a, b), 0xd8); }

// All codes of a row; those behind d are 0. flip: 0x80 turns s8 into u8 of 128 more.
void row_to_bytes(const float* row, const float* mean, int64_t d, int64_t columns, float scale, char flip,
                  void* to) {
  const __m256 inverse = inverse_of(_mm256_set1_ps(scale));
  for (int64_t j = 0; j < columns; j += 32) {
    const __m256i a = codes_of_row(row, mean, j, d, inverse);
    const __m256i b = j + 16 < columns ? codes_of_row(row, mean, j + 16, d, inverse) : _mm256_setzero_si256();
    store(static_cast<char*>(to) + j, _mm256_xor_si256(to_bytes(a, b), _mm256_set1_epi8(flip)));
  }
}

void pack_keys(const Attention& a, int64_t head, Head& h) {
  const RowsOfHead k = rows_of_head(a, a.k, head, {0, a.keys}, h.made);
  mean_over_tokens(k, a.keys, a.d, h.columns, h.mean);
  alignas(32) int8_t codes[16][kPitch];
  float largest = 0.0f;
  for (int64_t b = 0; b < h.keys; b += 16) {
    for (int64_t r = 0; r < 16; ++r) {
      const int64_t key = b / 32 * 32 + key_of_lane(b / 16 % 2, r);
      h.k_scale[b + r] = 0.0f;
      if (key >= a.keys) {
        std::memset(codes[r], 0, sizeof codes[r]);
        continue;
      }
      const float scale = scale_of_row(k[key], h.mean, a.d);
      row_to_bytes(k[key], h.mean, a.d, h.columns, scale, 0, codes[r]);
      h.k_scale[b + r] = scale;
      largest = _mm256_cvtss_f32(larger(_mm256_set1_ps(largest), _mm256_set1_ps(scale)));
    }
    int8_t* to = h.k + b * h.columns;
    __m256i sum[2] = {_mm256_setzero_si256(), _mm256_setzero_si256()};
    for (int64_t j = 0; j < h.columns; j += 4) {
      for (int64_t r = 0; r < 16; ++r) std::memcpy(to + j * 16 + r * 4, codes[r] + j, 4);
      for (int p = 0; p < 2; ++p)
        dot4(sum[p], _mm256_set1_epi8(-128), load(to + j * 16 + p * 32));  // u8: 128
    }
    for (int p = 0; p < 2; ++p)
      store(h.k_start + b + 8 * p, _mm256_sub_epi32(_mm256_setzero_si256(), sum[p]));
  }
  *h.step = largest * attention_fold(a);
  // As scores: vpackssdw of the two halves of a panel.
  const __m256 all = _mm256_set1_ps(largest);
  for (int64_t b = 0; b < h.keys; b += 16) {
    __m256i mult[2];
    for (int p = 0; p < 2; ++p) {
      const __m256 scale = _mm256_loadu_ps(h.k_scale + b + 8 * p);
      const __m256i round =
          _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_set1_ps(32767.0f), _mm256_div_ps(scale, all)));
      const __m256i none = _mm256_castps_si256(_mm256_cmp_ps(scale, _mm256_setzero_ps(), _CMP_EQ_OQ));
      mult[p] =
          _mm256_blendv_epi8(_mm256_max_epi32(_mm256_set1_epi32(1), round), _mm256_set1_epi32(32767), none);
      store(h.k_start + b + 8 * p,
            _mm256_blendv_epi8(load(h.k_start + b + 8 * p), _mm256_set1_epi32(kNoKey), none));
    }
    store(h.k_mult + b, _mm256_packs_epi32(mult[0], mult[1]));
  }
  const int64_t last = (h.keys - 1) / kKeyBlock * kKeyBlock;
  for (int64_t i = last; i < h.keys; ++i) h.there[i / 32 * 32 - last + score_position(i % 32)] = i < a.keys;
}

void pack_values(const Attention& a, int64_t head, Head& h) {
  const RowsOfHead v = {a.v.row(head / a.heads, head % a.heads, 0), a.v.token};
  mean_over_tokens(v, a.keys, a.d, h.columns, h.v_mean);
  // a0..3 b0..3 c0..3 d0..3 of each lane -> a0 b0 c0 d0 a1 ..
  const __m256i by_column =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (int64_t j = 0; j < h.columns; j += 8) _mm256_store_ps(h.v_scale + j, _mm256_setzero_ps());
  for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
    const int64_t size = h.keys - b < kKeyBlock ? h.keys - b : kKeyBlock;
    const int64_t end = b + size < a.keys ? b + size : a.keys;
    for (int64_t j = 0; j < h.columns; j += 8) {
      const __m256 scale = scale_of_columns(v, {b, end}, h.v_mean, j, a.d), inverse = inverse_of(scale);
      const __m256 mean = _mm256_load_ps(h.v_mean + j);
      _mm256_store_ps(h.v_ratio + b / kKeyBlock * h.columns + j, scale);  // for now
      _mm256_store_ps(h.v_scale + j, larger(_mm256_load_ps(h.v_scale + j), scale));
      int8_t* to = h.v + b * h.columns + j / 16 * size * 16 + j % 16 * 4;
      for (int64_t i = b; i < b + size; i += 4, to += 64) {
        __m256i code[4];
#pragma GCC unroll 4
        for (int e = 0; e < 4; ++e) {
          code[e] = i + e < end ? code_of(_mm256_sub_ps(read_row(v[i + e], j, a.d), mean), inverse)
                                : _mm256_setzero_si256();
        }
        const __m256i bytes =
            _mm256_packs_epi16(_mm256_packs_epi32(code[0], code[1]), _mm256_packs_epi32(code[2], code[3]));
        store(to, _mm256_shuffle_epi8(bytes, by_column));
      }
    }
  }
  for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
    for (int64_t j = 0; j < h.columns; j += 8) {
      float* ratio = h.v_ratio + b / kKeyBlock * h.columns + j;
      _mm256_store_ps(ratio, _mm256_div_ps(_mm256_load_ps(ratio), _mm256_load_ps(h.v_scale + j)));
    }
  }
}

struct Work {
  alignas(32) uint8_t q[kGroupRows][kPitch];
  Exponent exponent[kGroupRows];
  Tile<kRows, uint8_t> tile;
  RowState state[kTiles];
  alignas(32) float acc[kGroupRows * kMaxAttentionHeadSize];  // [row][columns]
};

// sum = {s0, s1} + 6 rows of x, kPitch bytes apart, times a panel of w [steps][16][4].
inline __attribute__((always_inline)) void product(__m256i s0, __m256i s1, const uint8_t* x, const int8_t* w,
                                                   int64_t steps, __m256i (&sum)[kRows][2]) {
  __m256i acc[kRows][2];
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    asm volatile("vmovdqa %1, %0" : "=x"(acc[r][0]) : "x"(s0));
    asm volatile("vmovdqa %1, %0" : "=x"(acc[r][1]) : "x"(s1));
  }
  for (const uint8_t* const end = x + steps * 4; x != end; x += 4, w += 64) {
    const __m256i w0 = load(w), w1 = load(w + 32);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      __m256i v;
      asm volatile("vpbroadcastd %1, %0"
                   : "=x"(v)
                   : "m"(*reinterpret_cast<const uint8_t(*)[4]>(x + r * kPitch)));
      dot4(acc[r][0], v, w0);
      dot4(acc[r][1], v, w1);
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    sum[r][0] = acc[r][0];
    sum[r][1] = acc[r][1];
  }
}

__attribute__((noinline)) void scores(const Head& h, const uint8_t* q, int shift, int64_t key, int size,
                                      Tile<kRows, uint8_t>& tile) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (int i = 0; i < size; i += 16) {
    const int64_t at = key + i;
    __m256i sum[kRows][2];
    product(load(h.k_start + at), load(h.k_start + at + 8), q, h.k + at * h.columns, h.columns / 4, sum);
    const __m256i mult = load(h.k_mult + at);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256i s = _mm256_packs_epi32(_mm256_sra_epi32(sum[r][0], by), _mm256_sra_epi32(sum[r][1], by));
      store(tile.score[r] + i, _mm256_mulhrs_epi16(s, mult));
    }
  }
}

__attribute__((noinline)) void add_values(const Head& h, const Tile<kRows, uint8_t>& tile, int64_t key,
                                          int size, float* to) {
  const float* ratios = h.v_ratio + key / kKeyBlock * h.columns;
  for (int64_t column = 0; column < h.columns; column += 16) {
    __m256i sum[kRows][2];
    product(_mm256_setzero_si256(), _mm256_setzero_si256(), tile.code[0],
            h.v + key * h.columns + column * size, size / 4, sum);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const __m256 alpha = _mm256_set1_ps(tile.alpha[r]), beta = _mm256_set1_ps(tile.beta[r]);
#pragma GCC unroll 2
      for (int p = 0; p < 2; ++p) {
        float* acc = to + r * h.columns + column + 8 * p;
        const __m256 factor = _mm256_mul_ps(beta, _mm256_load_ps(ratios + column + 8 * p));
        _mm256_store_ps(acc, _mm256_fmadd_ps(_mm256_cvtepi32_ps(sum[r][p]), factor,
                                             _mm256_mul_ps(_mm256_load_ps(acc), alpha)));
      }
    }
  }
}

int64_t packed_bytes(const Attention& a) { return Head(a, nullptr).bytes; }

void pack(const Attention& a, int64_t head, std::byte* packed) {
  Head h(a, packed);
  pack_keys(a, head, h);
  pack_values(a, head, h);
}

// At most kGroupRows.
void group_of_rows(const Attention& a, int64_t head, const Head& h, Range queries, Work& work) {
  const int count = static_cast<int>(queries.size()), tiles = (count + kRows - 1) / kRows,
            shift = attention_shift(a.d);
  const RowsOfHead q = rows_of_head(a, a.q, head, queries, work.acc);
  for (int r = 0; r < tiles * kRows; ++r) {
    work.exponent[r] = Exponent();
    std::memset(work.q[r], 128, kPitch);
    if (r < count) {
      const float scale = scale_of_row(q[r], nullptr, a.d);
      row_to_bytes(q[r], nullptr, a.d, h.columns, scale, -128, work.q[r]);
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
    const int size = static_cast<int>(h.keys - key < kKeyBlock ? h.keys - key : kKeyBlock);
    for (int i = 0; i < tiles; ++i) {
      const int row = i * kRows;
      scores(h, work.q[row], shift, key, size, work.tile);
      softmax(work.tile, work.state[i], work.exponent + row, size,
              key + kKeyBlock <= a.keys ? nullptr : h.there);
      add_values(h, work.tile, key, size, work.acc + row * h.columns);
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

void rows(const Attention& a, int64_t head, const std::byte* packed, Range queries) {
  const Head h(a, packed);
  Work work;
  for (int64_t i = queries.begin; i < queries.end; i += kGroupRows) {
    group_of_rows(a, head, h, {i, i + kGroupRows < queries.end ? i + kGroupRows : queries.end}, work);
  }
}

}  // namespace

const AttentionKernel kAttentionAvxVnni = {packed_bytes, pack, rows};

}  // namespace vqt::cpu
