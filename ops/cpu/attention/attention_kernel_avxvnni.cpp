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

#include "cpu/attention/attention_tiles_avx2.h"

namespace vqt::cpu {
namespace {

// Of 32 keys: the one in lane r of panel p; and where a key has its score.
int64_t key_of_lane(int64_t p, int64_t r) { return 8 * p + r / 8 * 4 + r / 4 % 2 * 16 + r % 4; }
int64_t score_position(int64_t key) { return key / 16 * 8 + key % 8 + key / 8 % 2 * 16; }

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

void pack_keys(const Attention& a, int64_t head, Head<int8_t>& h) {
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

void pack_values(const Attention& a, int64_t head, Head<int8_t>& h) {
  const RowsOfHead v = {a.v.row(head / a.heads, head % a.heads, 0), a.v.token};
  mean_over_tokens(v, a.keys, a.d, h.columns, h.v_mean);
  // a0..3 b0..3 c0..3 d0..3 of each lane -> a0 b0 c0 d0 a1 ..
  const __m256i by_column =
      _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (int64_t j = 0; j < h.columns; j += 8) _mm256_store_ps(h.v_scale + j, _mm256_setzero_ps());
  for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
    const int64_t size = block_size(h, b);
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
  scales_to_ratios(h);
}

// sum = {s0, s1} + 6 rows of x, kPitch bytes apart, times a panel of w [steps][16][4].
inline __attribute__((always_inline)) void product(__m256i s0, __m256i s1, const uint8_t* x, const int8_t* w,
                                                   int64_t steps, __m256i (&sum)[kRows][2]) {
  __m256i acc[kRows][2];
  start(s0, s1, acc);
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

__attribute__((noinline)) void scores(const Head<int8_t>& h, const uint8_t* q, int shift, int64_t key,
                                      int size, Tile<kRows, uint8_t>& tile) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (int i = 0; i < size; i += 16) {
    const int64_t at = key + i;
    __m256i sum[kRows][2];
    product(load(h.k_start + at), load(h.k_start + at + 8), q, h.k + at * h.columns, h.columns / 4, sum);
    store_scores(sum, by, load(h.k_mult + at), i, tile);
  }
}

__attribute__((noinline)) void add_values(const Head<int8_t>& h, const Tile<kRows, uint8_t>& tile,
                                          int64_t key, int size, float* to) {
  const float* ratios = h.v_ratio + key / kKeyBlock * h.columns;
  for (int64_t column = 0; column < h.columns; column += 16) {
    __m256i sum[kRows][2];
    product(_mm256_setzero_si256(), _mm256_setzero_si256(), tile.code[0],
            h.v + key * h.columns + column * size, size / 4, sum);
    add_columns(sum, tile, ratios + column, h.columns, to + column);
  }
}

struct Kernel {
  using Key = int8_t;
  using Code = uint8_t;
  static constexpr Code kZeroCode = 128;
  static constexpr auto pack_keys = &cpu::pack_keys;
  static constexpr auto pack_values = &cpu::pack_values;
  static constexpr auto scores = &cpu::scores;
  static constexpr auto add_values = &cpu::add_values;
  static void pack_query(const float* row, int64_t d, int64_t columns, float scale, Code* to) {
    row_to_bytes(row, nullptr, d, columns, scale, -128, to);
  }
};

}  // namespace

const AttentionKernel kAttentionAvxVnni = {packed_bytes<Kernel>, pack<Kernel>, rows<Kernel>};

}  // namespace vqt::cpu
