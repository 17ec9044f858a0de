// A head's k and v, and rows of q, packed for kernels with 512-bit vectors. For files named *_avx512vnni.cpp only.
//
//   q   [rows][kPitch] s8, or u8: codes + 128
//   k   [keys/16][d/4][16 keys][4 values] s8         d is rounded up to 16, with zeros
//   v   [blocks][d/16][keys of the block / 4][16 columns][4 keys] s8
//
// Keys are rounded up to 32. Packing int32 to s16 and s16 to u8 interleaves 128-bit lanes, so the keys of k
// change places (score_position) and the codes of a row come out in order:
//
//   of 64 keys   panels of 16 keys in k   a: 0-3 16-19 32-35 48-51   b: 4-7 20-23 ..   c: 8-11 ..   d: 12-15 ..
//                scores, vpackssdw        ab: 0-7 16-23 32-39 48-55                    cd: 8-15 24-31 ..
//                codes, vpackuswb         abcd: 0-63
//   of the last 32                        a: 0-3 8-11 16-19 24-27    b: 4-7 ..         ab: 0-31
#pragma once

#include <immintrin.h>

#include <type_traits>
#include <utility>

#include "cpu/attention/attention_definition.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kPitch = kMaxAttentionHeadSize;
constexpr int32_t kNoKey = -(1 << 30);

// f(0) .. f(N - 1) with constants: unrolled before g++ decides what lives in registers.
template <class F, int... I>
inline __attribute__((always_inline)) void each_of(F f, std::integer_sequence<int, I...>) {
  (f(std::integral_constant<int, I>()), ...);
}
template <int N, class F>
inline __attribute__((always_inline)) void each(F f) {
  each_of(f, std::make_integer_sequence<int, N>());
}

struct Head {
  int64_t keys;     // rounded up to 32
  int64_t columns;  // d rounded up to 16
  float* rows;      // [N][columns]: k's, then v's
  float* k_scale;   // [keys]
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
    rows = arrays.take<float>(a.keys * columns);
    k_scale = arrays.take<float>(keys);
    step = arrays.take<float>(1);
    k = arrays.take<int8_t>(keys * columns);
    k_start = arrays.take<int32_t>(keys);
    k_mult = arrays.take<int16_t>(keys);
    there = arrays.take<int16_t>(kKeyBlock);
    v = arrays.take<int8_t>((keys + 32) * columns);  // AMX reads 32 keys more
    v_ratio = arrays.take<float>((keys + kKeyBlock - 1) / kKeyBlock * columns);
    v_scale = arrays.take<float>(columns);
    v_mean = arrays.take<float>(columns);
    bytes = arrays.bytes();
  }
};

// Keys of a group: 64, at the end perhaps 32.
inline int64_t group_size(int64_t keys, int64_t key) { return keys - key / 64 * 64 >= 64 ? 64 : 32; }
// Where key i of a group has its score.
inline int64_t score_position(int64_t i, int64_t group) {
  return group == 64 ? i / 16 * 8 + i % 8 + i / 8 % 2 * 32 : i;
}
// The key in lane r of panel p of a group.
inline int64_t key_of_lane(int64_t p, int64_t r, int64_t group) {
  return 4 * p + r / 4 * (group / 4) + r % 4;
}

// A row's values, 16 at a time; behind d they are 0.
template <int kGroups>
struct RowReader {
  __mmask16 last;
  explicit RowReader(int64_t d) : last(static_cast<__mmask16>(0xffffu >> (16 * kGroups - d))) {}
  __m512 operator()(const float* row, int j) const {
    return j + 1 < kGroups ? _mm512_loadu_ps(row + 16 * j) : _mm512_maskz_loadu_ps(last, row + 16 * j);
  }
};

// A row of 256 bytes ends before the CPU's own prefetching begins.
constexpr int64_t kRowsAhead = 8;
template <int kGroups>
inline void prefetch_row(const float* row) {
  for (int j = 0; j < kGroups; ++j) _mm_prefetch(row + 16 * j, _MM_HINT_T0);
}

// Largest of |a| and |b|, as integers: a NaN is larger than all else.
inline __m512i magnitude(__m512 x) {
  return _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(0x7fffffff));
}

// Lane r: the largest lane of v[r].
inline __m512i largest_of_each(__m512i (&v)[16]) {
  const auto most = [](__m512i a, __m512i b) { return _mm512_max_epi32(a, b); };
  each<8>([&](auto i) {
    v[i] = most(_mm512_unpacklo_epi32(v[i], v[i + 8]), _mm512_unpackhi_epi32(v[i], v[i + 8]));  // i and i + 8
  });
  each<4>([&](auto i) {
    v[i] = most(_mm512_unpacklo_epi32(v[i], v[i + 4]), _mm512_unpackhi_epi32(v[i], v[i + 4]));  // + 4
  });
  const auto lanes = [&](__m512i a, __m512i b) {  // each with its four 128-bit lanes made two
    return most(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
  };
  const __m512i a = lanes(v[0], v[1]), b = lanes(v[2], v[3]);
  // Lane i of v0 v1 v2 v3: rows i, i + 4, i + 8, i + 12.
  const __m512i all = most(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  return _mm512_permutexvar_epi32(order, all);
}

// What 127 stands for, of magnitudes.
inline __m512 scale_of(__m512i largest) {
  const __m512 scale = _mm512_div_ps(_mm512_castsi512_ps(largest), _mm512_set1_ps(127.0f));
  return _mm512_max_ps(_mm512_set1_ps(kLeastScale), scale);  // the second one where it is NaN
}
inline __m512 inverse_of(__m512 scale) { return _mm512_div_ps(_mm512_set1_ps(1.0f), scale); }

// The larger of two that are not negative; NaN where one is.
inline __m512 larger(__m512 a, __m512 b) {
  return _mm512_castsi512_ps(_mm512_max_epi32(_mm512_castps_si512(a), _mm512_castps_si512(b)));
}

inline __m512i code_of(__m512 x, __m512 inverse) { return _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)); }

// 64 codes; 32-bit word 4 L + e holds values 16 e + 4 L ..+3.
inline __m512i pack_codes(__m512i a, __m512i b, __m512i c, __m512i d) {
  return _mm512_packs_epi16(_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d));
}

// The mean, and the rows in one piece, [tokens][16 * kGroups]: rows of a projection are a multiple of a page apart, so
// that a cache soon needs all of them in the same few places.
template <int kGroups>
inline RowsOfHead mean_over_tokens(RowsOfHead x, int64_t tokens, int64_t d, __m512 (&mean)[kGroups],
                                   float* rows) {
  const RowReader<kGroups> read(d);
  const __m512 share = _mm512_set1_ps(1.0f / static_cast<float>(tokens));
  const RowsOfHead copy = {rows, 16 * kGroups};
  for (__m512& m : mean) m = _mm512_setzero_ps();
  for (int64_t b = 0; b < tokens; b += kKeyBlock) {
    const int64_t end = least(b + kKeyBlock, tokens);
    __m512 sum[kGroups];
    for (__m512& s : sum) s = _mm512_setzero_ps();
    for (int64_t i = b; i < end; ++i, rows += 16 * kGroups) {
      prefetch_row<kGroups>(x[i + kRowsAhead]);
#pragma GCC unroll 8
      for (int j = 0; j < kGroups; ++j) {
        const __m512 values = read(x[i], j);
        _mm512_store_ps(rows + 16 * j, values);
        sum[j] = _mm512_fmadd_ps(values, share, sum[j]);
      }
    }
    for (int j = 0; j < kGroups; ++j) mean[j] = _mm512_add_ps(mean[j], sum[j]);
  }
  return copy;
}

// 16 rows of 16 words become 16 words of each row: lane r of t[i] is word i of row r.
inline void transpose(__m512i (&t)[16]) {
  __m512i u[16];
  each<8>([&](auto i) {
    u[2 * i] = _mm512_unpacklo_epi32(t[2 * i], t[2 * i + 1]);
    u[2 * i + 1] = _mm512_unpackhi_epi32(t[2 * i], t[2 * i + 1]);
  });
  each<4>([&](auto i) {
    each<2>([&](auto e) {
      t[4 * i + 2 * e] = _mm512_unpacklo_epi64(u[4 * i + e], u[4 * i + e + 2]);
      t[4 * i + 2 * e + 1] = _mm512_unpackhi_epi64(u[4 * i + e], u[4 * i + e + 2]);
    });
  });
  each<4>([&](auto e) {
    const __m512i a = _mm512_shuffle_i32x4(t[e], t[4 + e], 0x88),
                  b = _mm512_shuffle_i32x4(t[e], t[4 + e], 0xdd);
    const __m512i c = _mm512_shuffle_i32x4(t[8 + e], t[12 + e], 0x88),
                  d = _mm512_shuffle_i32x4(t[8 + e], t[12 + e], 0xdd);
    u[e] = _mm512_shuffle_i32x4(a, c, 0x88);
    u[4 + e] = _mm512_shuffle_i32x4(b, d, 0x88);
    u[8 + e] = _mm512_shuffle_i32x4(a, c, 0xdd);
    u[12 + e] = _mm512_shuffle_i32x4(b, d, 0xdd);
  });
  each<16>([&](auto i) { t[i] = u[i]; });
}

// A row's codes from value 16 * first on, 64 of them, as pack_codes() leaves them.
template <int kGroups, class Value>
inline __m512i codes_of_row(int first, Value value, __m512 inverse) {
  __m512i code[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    code[j] = first + j < kGroups ? code_of(value(first + j), inverse) : _mm512_setzero_si512();
  }
  return pack_codes(code[0], code[1], code[2], code[3]);
}

template <int kGroups>
void pack_keys(const Attention& a, int64_t head, Head& h) {
  // Rows that are made end where the copy ends: each is read before the copy is there.
  float* made = h.rows + a.keys * (h.columns - a.d);
  const RowsOfHead from = rows_of_head(a, a.k, head, {0, a.keys}, made);
  const RowReader<kGroups> read(a.d);
  __m512 mean[kGroups];
  const RowsOfHead k = mean_over_tokens<kGroups>(from, a.keys, a.d, mean, h.rows);
  __m512 scales = _mm512_setzero_ps();  // the largest
  for (int64_t b = 0; b < h.keys; b += 16) {
    const float* row[16];  // of the panel's lanes; null: no such key
    uint32_t exists = 0;
    for (int r = 0; r < 16; ++r) {
      const int64_t key = b / 64 * 64 + key_of_lane(b % 64 / 16, r, group_size(h.keys, b));
      row[r] = key < a.keys ? k[key] : nullptr;
      exists |= uint32_t{key < a.keys} << r;
    }
    const auto value = [&](int r, int j) { return _mm512_sub_ps(read(row[r], j), mean[j]); };
    __m512i largest[16];
    for (int r = 0; r < 16; ++r) {
      largest[r] = _mm512_setzero_si512();
      if (row[r] == nullptr) continue;
#pragma GCC unroll 8
      for (int j = 0; j < kGroups; ++j) largest[r] = _mm512_max_epi32(largest[r], magnitude(value(r, j)));
    }
    const __m512 scale = scale_of(largest_of_each(largest));
    scales = larger(scales, scale);
    alignas(64) float inverse[16];
    _mm512_store_ps(inverse, inverse_of(scale));
    _mm512_storeu_ps(h.k_scale + b, scale);
    __m512i sum = _mm512_setzero_si512();
#pragma GCC unroll 2
    for (int first = 0; first < kGroups; first += 4) {
      __m512i words[16];
      for (int r = 0; r < 16; ++r) {
        words[r] = row[r] == nullptr
                       ? _mm512_setzero_si512()
                       : codes_of_row<kGroups>(
                             first, [&](int j) { return value(r, j); }, _mm512_set1_ps(inverse[r]));
      }
      transpose(words);
      each<16>([&](auto i) {
        const int step = first * 4 + i % 4 * 4 + i / 4;
        if (step >= kGroups * 4) return;
        _mm512_storeu_si512(h.k + b * h.columns + step * 64, words[i]);
        sum = _mm512_dpbusd_epi32(sum, _mm512_set1_epi8(-128), words[i]);  // u8: 128
      });
    }
    _mm512_storeu_si512(h.k_start + b,
                        _mm512_mask_sub_epi32(_mm512_set1_epi32(kNoKey), static_cast<__mmask16>(exists),
                                              _mm512_setzero_si512(), sum));
  }
  const float largest = _mm_cvtss_f32(
      _mm_castsi128_ps(_mm_cvtsi32_si128(_mm512_reduce_max_epi32(_mm512_castps_si512(scales)))));
  *h.step = largest * attention_fold(a);
  // As scores: vpackssdw of two panels.
  for (int64_t b = 0; b < h.keys; b += 32) {
    __m512i mult[2];
    for (int p = 0; p < 2; ++p) {
      const __m512 share = _mm512_div_ps(_mm512_loadu_ps(h.k_scale + b + 16 * p), _mm512_set1_ps(largest));
      mult[p] = _mm512_max_epi32(_mm512_set1_epi32(1),
                                 _mm512_cvtps_epi32(_mm512_mul_ps(_mm512_set1_ps(32767.0f), share)));
      const __m512i start = _mm512_loadu_si512(h.k_start + b + 16 * p);
      const __mmask16 none = _mm512_cmpeq_epi32_mask(start, _mm512_set1_epi32(kNoKey));
      mult[p] = _mm512_mask_mov_epi32(mult[p], none, _mm512_set1_epi32(32767));
    }
    _mm512_storeu_si512(h.k_mult + b, _mm512_packs_epi32(mult[0], mult[1]));
  }
  const int64_t last = (h.keys - 1) / kKeyBlock * kKeyBlock;
  for (int64_t i = last; i < h.keys; ++i) {
    h.there[i / 64 * 64 - last + score_position(i % 64, group_size(h.keys, i))] = i < a.keys;
  }
}

template <int kGroups>
void pack_values(const Attention& a, int64_t head, Head& h) {
  const RowsOfHead from = {a.v.row(head / a.heads, head % a.heads, 0), a.v.token};
  const RowReader<kGroups> read(a.d);
  __m512 mean[kGroups], scale[kGroups];
  const RowsOfHead v = mean_over_tokens<kGroups>(from, a.keys, a.d, mean, h.rows);
  for (__m512& s : scale) s = _mm512_setzero_ps();
  // a0..3 b0..3 c0..3 d0..3 of each lane -> a0 b0 c0 d0 a1 ..
  const __m512i by_column =
      _mm512_broadcast_i32x4(_mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15));
  for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
    const int64_t size = h.keys - b < kKeyBlock ? h.keys - b : kKeyBlock;
    const int64_t end = b + size < a.keys ? b + size : a.keys;
    float* ratio = h.v_ratio + b / kKeyBlock * h.columns;  // the scale for now
    __m512i largest[kGroups];
    __m512 inverse[kGroups];
    for (__m512i& l : largest) l = _mm512_setzero_si512();
    for (int64_t i = b; i < end; ++i) {
#pragma GCC unroll 8
      for (int j = 0; j < kGroups; ++j) {
        largest[j] = _mm512_max_epi32(largest[j], magnitude(_mm512_sub_ps(read(v[i], j), mean[j])));
      }
    }
    for (int j = 0; j < kGroups; ++j) {
      const __m512 s = scale_of(largest[j]);
      scale[j] = larger(scale[j], s);
      inverse[j] = inverse_of(s);
      _mm512_storeu_ps(ratio + 16 * j, s);
    }
    for (int64_t i = 0; i < size; i += 4) {
#pragma GCC unroll 8
      for (int j = 0; j < kGroups; ++j) {
        __m512i code[4];
#pragma GCC unroll 4
        for (int e = 0; e < 4; ++e) {
          code[e] = b + i + e < end ? code_of(_mm512_sub_ps(read(v[b + i + e], j), mean[j]), inverse[j])
                                    : _mm512_setzero_si512();
        }
        _mm512_storeu_si512(h.v + b * h.columns + (j * size / 4 + i / 4) * 64,
                            _mm512_shuffle_epi8(pack_codes(code[0], code[1], code[2], code[3]), by_column));
      }
    }
  }
  for (int j = 0; j < kGroups; ++j) {
    _mm512_storeu_ps(h.v_scale + 16 * j, scale[j]);
    _mm512_storeu_ps(h.v_mean + 16 * j, mean[j]);
    for (int64_t b = 0; b < h.keys; b += kKeyBlock) {
      float* ratio = h.v_ratio + b / kKeyBlock * h.columns + 16 * j;
      _mm512_storeu_ps(ratio, _mm512_div_ps(_mm512_loadu_ps(ratio), scale[j]));
    }
  }
}

// Rows of q, and what their exponents need.
template <int kRows>
struct QueryRows {
  alignas(64) uint8_t codes[kRows][kPitch];
  alignas(64) float c[kRows];
  alignas(64) uint16_t mult[kRows], bits[kRows];
};

// Rows [0, count) of q; the others, up to the next multiple of 16, get codes of 0.
// kFlip: 0, or 0x80, which makes codes + 128 of codes.
template <int kGroups, int kFlip, int kRows>
void pack_queries(RowsOfHead q, int64_t count, int64_t d, float step, QueryRows<kRows>& to) {
  static_assert(kRows % 16 == 0);
  const RowReader<kGroups> read(d);
  const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  for (int64_t b = 0; b < count; b += 16) {
    const int64_t rows = count - b < 16 ? count - b : 16;
    __m512i largest[16];
    for (int r = 0; r < 16; ++r) {
      largest[r] = _mm512_setzero_si512();
      if (r >= rows) continue;
#pragma GCC unroll 8
      for (int j = 0; j < kGroups; ++j)
        largest[r] = _mm512_max_epi32(largest[r], magnitude(read(q[b + r], j)));
    }
    const __m512 scale = scale_of(largest_of_each(largest));
    alignas(64) float inverse[16];
    _mm512_store_ps(inverse, inverse_of(scale));
    for (int r = 0; r < rows; ++r) {
#pragma GCC unroll 2
      for (int first = 0; first < kGroups; first += 4) {
        const __m512i codes = codes_of_row<kGroups>(
            first, [&](int j) { return read(q[b + r], j); }, _mm512_set1_ps(inverse[r]));
        _mm512_store_si512(to.codes[b + r] + 16 * first,
                           _mm512_xor_si512(_mm512_permutexvar_epi32(order, codes),
                                            _mm512_set1_epi8(static_cast<char>(kFlip))));
      }
    }
    for (int64_t r = rows; r < 16; ++r) {
      for (int j = 0; j < kPitch; j += 64)
        _mm512_store_si512(to.codes[b + r] + j, _mm512_set1_epi8(static_cast<char>(kFlip)));
    }
    const __m512 c = _mm512_mul_ps(scale, _mm512_set1_ps(step));
    // 2^(e - 1) <= c < 2^e
    const __m512i e = _mm512_sub_epi32(_mm512_srli_epi32(_mm512_castps_si512(c), 23), _mm512_set1_epi32(126));
    const __m512i bits = _mm512_min_epi32(
        _mm512_max_epi32(_mm512_sub_epi32(_mm512_setzero_si512(), e), _mm512_setzero_si512()),
        _mm512_set1_epi32(15));
    const __m512i power = _mm512_slli_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(127 + 16)), 23);
    const __m512 mult = _mm512_min_ps(_mm512_mul_ps(c, _mm512_castsi512_ps(power)), _mm512_set1_ps(65535.0f));
    _mm512_store_ps(to.c + b, c);
    _mm256_store_si256(reinterpret_cast<__m256i*>(to.mult + b),
                       _mm512_cvtepi32_epi16(_mm512_cvtps_epi32(mult)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(to.bits + b), _mm512_cvtepi32_epi16(bits));
  }
}

// The rows that a task reads next, fetched while it works on others.
class NextRows {
 public:
  // `pieces` calls of fetch() fetch them all. Rows that are made on the way are not there yet.
  NextRows(const Attention& a, int64_t head, Range queries, int64_t pieces) : left_(queries.size()), d_(a.d) {
    if (a.q.make != nullptr || left_ < 0) left_ = 0;
    rows_ = {a.q.rows.row(head / a.heads, head % a.heads, queries.begin), a.q.rows.token};
    piece_ = (left_ + pieces - 1) / pieces;
  }
  void fetch() {
    for (int64_t i = 0; i < piece_ && left_ > 0; ++i, --left_, rows_.data += rows_.stride) {
      for (int64_t j = 0; j < d_; j += 16) _mm_prefetch(rows_.data + j, _MM_HINT_T1);
    }
  }

 private:
  RowsOfHead rows_;
  int64_t left_, d_, piece_ = 0;
};

// f(std::integral_constant<int, columns / 16>()).
template <class F>
void with_groups(int64_t columns, F f) {
  switch (columns / 16) {
    case 1:
      return f(std::integral_constant<int, 1>());
    case 2:
      return f(std::integral_constant<int, 2>());
    case 3:
      return f(std::integral_constant<int, 3>());
    case 4:
      return f(std::integral_constant<int, 4>());
    case 5:
      return f(std::integral_constant<int, 5>());
    case 6:
      return f(std::integral_constant<int, 6>());
    case 7:
      return f(std::integral_constant<int, 7>());
    default:
      return f(std::integral_constant<int, 8>());
  }
}

// A row of the result, of what it sums up to.
inline void write_row(const Attention& a, const Head& h, float c, float l, const float* acc, float* out) {
  // c - c: 0, or NaN where c is not finite.
  const __m512 share = _mm512_set1_ps(128.0f / l + (c - c));
  for (int64_t j = 0; j < a.d; j += 16) {
    const __m512 y = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_loadu_ps(acc + j), share),
                                     _mm512_loadu_ps(h.v_scale + j), _mm512_loadu_ps(h.v_mean + j));
    _mm512_mask_storeu_ps(out + j, static_cast<__mmask16>(a.d - j >= 16 ? 0xffffu : (1u << (a.d - j)) - 1u),
                          y);
  }
}

inline int64_t packed_bytes(const Attention& a) { return Head(a, nullptr).bytes; }

inline void pack(const Attention& a, int64_t head, std::byte* packed) {
  Head h(a, packed);
  with_groups(h.columns, [&](auto groups) {
    pack_keys<groups>(a, head, h);
    pack_values<groups>(a, head, h);
  });
}

}  // namespace
}  // namespace vqt::cpu
