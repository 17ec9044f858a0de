// Attention with AVX2: codes are stored as s16 and multiplied by vpmaddwd, which cannot saturate. Tiles of 6 rows by
// two panels of 8 keys or columns, 12 accumulators.
//
//   q   [rows][kPitch] s16
//   k   [keys/8][d/2][8 keys][2 values] s16          d is rounded up to 16, keys to 32, with zeros
//   v   [blocks][d/8][keys of the block / 2][8 columns][2 keys] s16
//
// vpackssdw interleaves 128-bit lanes, so keys of k change places and scores come out in order:
//
//   of 16 keys   panels of 8 keys in k   a: 0-3 8-11     b: 4-7 12-15
//                scores, vpackssdw       0-15
#include <cstring>

#include "cpu/attention/attention_tiles_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int kSteps = 4;  // of a product at once

// Of 16 keys: the one in lane r of panel p.
int64_t key_of_lane(int64_t p, int64_t r) { return 4 * p + r / 4 * 8 + r % 4; }

// 8 rows of 8 words become 8 words of each row.
inline void transpose(__m256i (&t)[8]) {
  __m256i u[8];
#pragma GCC unroll 4
  for (int i = 0; i < 8; i += 2) {
    u[i] = _mm256_unpacklo_epi32(t[i], t[i + 1]);
    u[i + 1] = _mm256_unpackhi_epi32(t[i], t[i + 1]);
  }
#pragma GCC unroll 2
  for (int i = 0; i < 8; i += 4) {
    t[i] = _mm256_unpacklo_epi64(u[i], u[i + 2]);
    t[i + 1] = _mm256_unpackhi_epi64(u[i], u[i + 2]);
    t[i + 2] = _mm256_unpacklo_epi64(u[i + 1], u[i + 3]);
    t[i + 3] = _mm256_unpackhi_epi64(u[i + 1], u[i + 3]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    u[i] = _mm256_permute2x128_si256(t[i], t[i + 4], 0x20);
    u[i + 4] = _mm256_permute2x128_si256(t[i], t[i + 4], 0x31);
  }
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) t[i] = u[i];
}

void pack_keys(const Attention& a, int64_t head, Head<int16_t>& h) {
  const RowsOfHead k = rows_of_head(a, a.k, head, {0, a.keys}, h.made);
  mean_over_tokens(k, a.keys, a.d, h.columns, h.mean);
  __m256 largest = _mm256_setzero_ps();
  for (int64_t b = 0; b < h.keys; b += 8) {
    const float* rows[8];
    __m256 inverse[8];
    for (int64_t r = 0; r < 8; ++r) {
      const int64_t key = b / 16 * 16 + key_of_lane(b / 8 % 2, r);
      rows[r] = key < a.keys ? k[key] : nullptr;
      const float scale = rows[r] == nullptr ? 0.0f : scale_of_row(rows[r], h.mean, a.d);
      inverse[r] = inverse_of(_mm256_set1_ps(scale));
      h.k_scale[b + r] = scale;
      h.k_start[b + r] = rows[r] == nullptr ? kNoKey : 0;
    }
    largest = larger(largest, _mm256_load_ps(h.k_scale + b));
    for (int64_t j = 0; j < h.columns; j += 16) {
      __m256i words[8];
      for (int r = 0; r < 8; ++r) {
        words[r] =
            rows[r] == nullptr ? _mm256_setzero_si256() : codes_of_row(rows[r], h.mean, j, a.d, inverse[r]);
      }
      transpose(words);
      for (int r = 0; r < 8; ++r) store(h.k + b * h.columns + (j / 2 + r) * 16, words[r]);
    }
  }
  const __m256i most = _mm256_set1_epi32(largest_lane(_mm256_castps_si256(largest)));
  *h.step = _mm256_cvtss_f32(_mm256_castsi256_ps(most)) * attention_fold(a);
  for (int64_t b = 0; b < h.keys; b += 16) {
    __m256i mult[2];
    for (int p = 0; p < 2; ++p) {
      const __m256 scale = _mm256_load_ps(h.k_scale + b + 8 * p);
      const __m256 share = _mm256_div_ps(scale, _mm256_castsi256_ps(most));
      const __m256i round = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_set1_ps(32767.0f), share));
      const __m256i none = _mm256_srai_epi32(load(h.k_start + b + 8 * p), 31);
      mult[p] =
          _mm256_blendv_epi8(_mm256_max_epi32(_mm256_set1_epi32(1), round), _mm256_set1_epi32(32767), none);
    }
    store(h.k_mult + b, _mm256_packs_epi32(mult[0], mult[1]));
  }
  const int64_t last = (h.keys - 1) / kKeyBlock * kKeyBlock;
  for (int64_t i = last; i < h.keys; ++i) h.there[i - last] = i < a.keys;
}

// The codes of v of a block whose keys are b to end, `size` with those that are not there.
void pack_block_of_values(RowsOfHead v, Range tokens, int64_t size, const float* scale, int64_t d,
                          Head<int16_t>& h) {
  alignas(32) float inverse[kMaxAttentionHeadSize];
  for (int64_t j = 0; j < h.columns; j += 8) {
    _mm256_store_ps(inverse + j, inverse_of(_mm256_load_ps(scale + j)));
  }
  for (int64_t i = 0; i < size; i += 2) {
    const int64_t key = tokens.begin + i;
    int16_t* to = h.v + tokens.begin * h.columns + i * 8;
    for (int64_t j = 0; j < h.columns; j += 8, to += size * 8) {
      const auto code = [&](int64_t at) {
        if (at >= tokens.end) return _mm256_setzero_si256();
        return code_of(_mm256_sub_ps(read_row(v[at], j, d), _mm256_load_ps(h.v_mean + j)),
                       _mm256_load_ps(inverse + j));
      };
      store(to, _mm256_blend_epi16(code(key), _mm256_slli_epi32(code(key + 1), 16), 0xaa));
    }
  }
}

void pack_values(const Attention& a, int64_t head, Head<int16_t>& h) {
  const RowsOfHead v = {a.v.row(head / a.heads, head % a.heads, 0), a.v.token};
  mean_over_tokens(v, a.keys, a.d, h.columns, h.v_mean);
  for (int64_t j = 0; j < h.columns; j += 8) _mm256_store_ps(h.v_scale + j, _mm256_setzero_ps());
  for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
    const int64_t size = block_size(h, b);
    const Range tokens = {b, b + size < a.keys ? b + size : a.keys};
    float* scales = h.v_ratio + b / kKeyBlock * h.columns;  // for now
    for (int64_t j = 0; j < h.columns; j += 8) {
      const __m256 scale = scale_of_columns(v, tokens, h.v_mean, j, a.d);
      _mm256_store_ps(scales + j, scale);
      _mm256_store_ps(h.v_scale + j, larger(_mm256_load_ps(h.v_scale + j), scale));
    }
    pack_block_of_values(v, tokens, size, scales, a.d, h);
  }
  scales_to_ratios(h);
}

inline void add_product(__m256i& acc, __m256i x, __m256i w) {
  __m256i product;
  asm volatile("vpmaddwd %1, %2, %0" : "=x"(product) : "x"(x), "x"(w));
  asm volatile("vpaddd %1, %0, %0" : "+x"(acc) : "x"(product));
}

// sum = {s0, s1} + 6 rows of x, kPitch values apart, times two panels of w [steps][8][2], `panel` values apart.
inline __attribute__((always_inline)) void product(__m256i s0, __m256i s1, const int16_t* x, const int16_t* w,
                                                   int64_t panel, int64_t steps, __m256i (&sum)[kRows][2]) {
  __m256i acc[kRows][2];
  start(s0, s1, acc);
  for (const int16_t* const end = x + steps * 2; x != end; x += 2 * kSteps, w += 16 * kSteps) {
#pragma GCC unroll 4
    for (int s = 0; s < kSteps; ++s) {
      const __m256i w0 = load(w + 16 * s), w1 = load(w + panel + 16 * s);
#pragma GCC unroll 6
      for (int r = 0; r < kRows; ++r) {
        __m256i v;
        asm volatile("vpbroadcastd %1, %0"
                     : "=x"(v)
                     : "m"(*reinterpret_cast<const int16_t(*)[2]>(x + r * kPitch + 2 * s)));
        add_product(acc[r][0], v, w0);
        add_product(acc[r][1], v, w1);
      }
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r) {
    sum[r][0] = acc[r][0];
    sum[r][1] = acc[r][1];
  }
}

__attribute__((noinline)) void scores(const Head<int16_t>& h, const int16_t* q, int shift, int64_t key,
                                      int size, Tile<kRows, int16_t>& tile) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (int i = 0; i < size; i += 16) {
    const int64_t at = key + i;
    __m256i sum[kRows][2];
    product(load(h.k_start + at), load(h.k_start + at + 8), q, h.k + at * h.columns, 8 * h.columns,
            h.columns / 2, sum);
    store_scores(sum, by, load(h.k_mult + at), i, tile);
  }
}

__attribute__((noinline)) void add_values(const Head<int16_t>& h, const Tile<kRows, int16_t>& tile,
                                          int64_t key, int size, float* to) {
  const float* ratios = h.v_ratio + key / kKeyBlock * h.columns;
  for (int64_t column = 0; column < h.columns; column += 16) {
    __m256i sum[kRows][2];
    product(_mm256_setzero_si256(), _mm256_setzero_si256(), tile.code[0],
            h.v + key * h.columns + column * size, 8 * size, size / 2, sum);
    add_columns(sum, tile, ratios + column, h.columns, to + column);
  }
}

struct Kernel {
  using Key = int16_t;
  using Code = int16_t;
  static constexpr Code kZeroCode = 0;
  static constexpr auto pack_keys = &cpu::pack_keys;
  static constexpr auto pack_values = &cpu::pack_values;
  static constexpr auto scores = &cpu::scores;
  static constexpr auto add_values = &cpu::add_values;
  static void pack_query(const float* row, int64_t d, int64_t columns, float scale, Code* to) {
    const __m256 inverse = inverse_of(_mm256_set1_ps(scale));
    for (int64_t j = 0; j < columns; j += 16) store(to + j, codes_of_row(row, nullptr, j, d, inverse));
  }
};

}  // namespace

const AttentionKernel kAttentionAvx2 = {packed_bytes<Kernel>, pack<Kernel>, rows<Kernel>};

}  // namespace vqt::cpu
