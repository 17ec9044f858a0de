// Two passes over a row that stays in L1: its range (4 vectors in flight), then 32 values a
// step. Nothing of the C++ library is called: an inline function compiled here with AVX2 could replace
// the portable one.
#include <immintrin.h>

#include "cpu/quantize/asymmetric_scale.h"
#include "cpu/quantize/quantize_per_token_kernel.h"

namespace vqt::cpu {
namespace {

struct RowRange {
  float min, max;  // widened to hold 0
  bool finite;     // no Inf, no NaN
};

float largest(__m256 v) {
  __m128 h = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
  h = _mm_max_ps(h, _mm_movehl_ps(h, h));
  return _mm_cvtss_f32(_mm_max_ss(h, _mm_movehdup_ps(h)));
}

float smallest(__m256 v) { return -largest(_mm256_xor_ps(v, _mm256_set1_ps(-0.0f))); }

// Lanes i < count.
__m256i first_lanes(int64_t count) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(count)),
                            _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

RowRange row_range(const float* x, int64_t k) {
  __m256 min[4], max[4], products[4];  // products: of x and 0, which is NaN from Inf and NaN on
  for (int i = 0; i < 4; ++i) min[i] = max[i] = products[i] = _mm256_setzero_ps();
  const auto take = [&](int i, __m256 v) __attribute__((always_inline)) {
    max[i] = _mm256_max_ps(v, max[i]);
    min[i] = _mm256_min_ps(v, min[i]);
    products[i] = _mm256_fmadd_ps(v, _mm256_setzero_ps(), products[i]);
  };
  int64_t i = 0;
  for (; i + 32 <= k; i += 32) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) take(j, _mm256_loadu_ps(x + i + 8 * j));
  }
  for (; i + 8 <= k; i += 8) take(0, _mm256_loadu_ps(x + i));
  if (i < k) take(1, _mm256_maskload_ps(x + i, first_lanes(k - i)));
  for (int j = 1; j < 4; ++j) {
    max[0] = _mm256_max_ps(max[0], max[j]);
    min[0] = _mm256_min_ps(min[0], min[j]);
    products[0] = _mm256_add_ps(products[0], products[j]);
  }
  const __m256 nan = _mm256_cmp_ps(products[0], products[0], _CMP_UNORD_Q);
  return {smallest(min[0]), largest(max[0]), _mm256_testz_ps(nan, nan) != 0};
}

int32_t round_to_int(float v) { return _mm_cvtss_si32(_mm_set_ss(v)); }

struct Rounding {
  __m256 scale, before, low, high;
  __m256i after;

  // 8 values of the stored range 0..255 as int32. Clamped as floats: the conversion has no value for 1e30.
  __m256i operator()(__m256 x) const {
    __m256 v = _mm256_add_ps(_mm256_div_ps(x, scale), before);
    v = _mm256_min_ps(_mm256_max_ps(v, low), high);
    return _mm256_add_epi32(_mm256_cvtps_epi32(v), after);
  }
};

// 32 int32 of 0..255 -> 32 bytes in order.
__m256i to_bytes(__m256i a, __m256i b, __m256i c, __m256i d) {
  const __m256i bytes = _mm256_packus_epi16(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d));
  return _mm256_permutevar8x32_epi32(bytes, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

// Stores a row's bytes and returns their sum.
int32_t store_row(const float* x, int64_t k, const Rounding& round, uint8_t* q) {
  __m256i sums = _mm256_setzero_si256();
  int64_t i = 0;
  for (; i + 32 <= k; i += 32) {
    const __m256i bytes = to_bytes(round(_mm256_loadu_ps(x + i)), round(_mm256_loadu_ps(x + i + 8)),
                                   round(_mm256_loadu_ps(x + i + 16)), round(_mm256_loadu_ps(x + i + 24)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q + i), bytes);
    sums = _mm256_add_epi64(sums, _mm256_sad_epu8(bytes, _mm256_setzero_si256()));
  }
  const __m128i half = _mm_add_epi64(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
  int64_t sum = _mm_cvtsi128_si64(half) + _mm_extract_epi64(half, 1);
  for (; i < k; i += 8) {  // at most 31 values
    const int64_t count = k - i < 8 ? k - i : 8;
    alignas(32) int32_t values[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(values),
                       round(_mm256_maskload_ps(x + i, first_lanes(count))));
    for (int64_t j = 0; j < count; ++j) {
      q[i + j] = static_cast<uint8_t>(values[j]);
      sum += values[j];
    }
  }
  return static_cast<int32_t>(sum);
}

void quantize_row(const QuantizeRowsJob& a, int64_t row) {
  const float* x = a.x + row * a.x_stride;
  uint8_t* q = a.out.q + row * a.out.k_pad;
  const RowRange range = row_range(x, a.k);
  float scale = a.static_scale;
  int32_t zero = a.symmetric ? 128 : a.static_zero;
  if (a.dynamic) {
    if (a.symmetric) {
      scale = (range.max > -range.min ? range.max : -range.min) / 127.0f;
      if (scale == 0.0f) scale = 1.0f;
    } else {
      scale = asymmetric_scale(range.min, range.max, 255.0f);
      const float ratio = -range.min / scale;
      zero = scale == 0.0f ? 0 : round_to_int(ratio > 255.0f ? 255.0f : ratio);
      if (scale == 0.0f) scale = 1.0f;
    }
  }
  int64_t stored = 0;  // bytes of q that hold a value
  int32_t sum = 0;
  if (range.finite) {
    const Rounding round = {
        _mm256_set1_ps(scale), _mm256_set1_ps(a.symmetric ? 0.0f : static_cast<float>(zero)),
        _mm256_set1_ps(a.symmetric ? -127.0f : 0.0f), _mm256_set1_ps(a.symmetric ? 127.0f : 255.0f),
        _mm256_set1_epi32(a.symmetric ? 128 : 0)};
    sum = store_row(x, a.k, round, q);
    stored = a.k;
  } else {
    scale = __builtin_nanf("");
    zero = 0;
  }
  for (int64_t k = stored; k < a.out.k_pad; ++k) q[k] = 0;
  a.out.scale[row] = scale;
  a.out.zero[row] = zero;
  if (a.out.sum != nullptr) a.out.sum[row] = sum;
}

}  // namespace

void quantize_rows_avx2(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end) {
  if (a.out.tile != 1)
    return quantize_rows_ref(a, row_begin, row_end);  // no kernel on AVX2 reads taller tiles
  for (int64_t row = row_begin; row < row_end; ++row) quantize_row(a, row);
}

}  // namespace vqt::cpu
