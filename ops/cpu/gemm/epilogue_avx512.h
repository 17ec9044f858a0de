// The epilogue (epilogue.h) on AVX512, a panel of a tile at a time. For files named *_avx512vnni.cpp only.
#pragma once

#include <immintrin.h>

#include "cpu/gemm/epilogue.h"
#include "cpu/gemm/product_avx512vnni.h"
#include "cpu/layout/panel.h"
#include "cpu/range.h"
#include "cpu/simd/gelu.h"
#include "cpu/simd/rounding_avx512.h"
#include "cpu/simd/vec_avx512.h"

namespace vqt::cpu {
namespace {

// The columns of the panel that begins at c that are in `columns`.
inline __mmask16 lanes_in(Range columns, int64_t c) {
  const int64_t begin = columns.begin > c ? columns.begin - c : 0,
                end = columns.end - c < kPanel ? columns.end - c : kPanel;
  return static_cast<__mmask16>((0xffffu << begin) & (0xffffu >> (kPanel - end)));
}

// Adds what the tile of `rows` rows will touch of the result and the residual, in `steps` steps.
inline void prefetch_result(const Epilogue& e, int64_t row, int64_t rows, int64_t c, int64_t steps,
                            Prefetch& prefetch) {
  prefetch.rows = rows;
  prefetch.step_rows = steps >= rows ? 1 : steps == 0 ? rows : (rows + steps - 1) / steps;
  const int64_t at = c - e.first_column;
  if (e.y == nullptr) {  // 32 columns of a tile are side by side
    prefetch.out = reinterpret_cast<const char*>(e.q.q + e.q.offset(row, 0) + at * e.q.height(row));
    prefetch.out_stride = 2 * kPanel;
    return;
  }
  prefetch.out = reinterpret_cast<const char*>(e.y + row * e.y_stride + at);
  prefetch.out_stride = e.y_stride * static_cast<int64_t>(sizeof(float));
  if (e.residual == nullptr) return;
  prefetch.residual = reinterpret_cast<const char*>(e.residual + row * e.residual_stride + at);
  prefetch.residual_stride = e.residual_stride * static_cast<int64_t>(sizeof(float));
}

// A panel of a tile as u8: rounded row by row, then stored with 4 rows of 4 columns side by side.
class PanelBytes {
 public:
  PanelBytes(const Epilogue& e)
      : method_(method_for(e.y_scale, true)),
        rounding_(e.y_scale, e.y_zero, e.y_symmetric, method_),
        after_(_mm512_set1_epi32(e.y_symmetric ? 128 : 0)) {}

  // Row r of the tile. False: it holds NaN or Inf in `wanted`; their bytes are 0.
  bool set(int64_t r, __m512 v, __mmask16 wanted) {
    const __mmask16 finite = _mm512_cmp_ps_mask(_mm512_sub_ps(v, v), _mm512_setzero_ps(), _CMP_EQ_OQ);
    const __m512i q =
        _mm512_add_epi32(method_ == Method::kDivision ? rounding_.operator()<Method::kDivision>(v)
                                                      : rounding_.operator()<Method::kClampedReciprocal>(v),
                         after_);
    _mm_store_si128(bytes_ + r, _mm512_maskz_cvtepi32_epi8(finite, q));
    return (wanted & ~finite) == 0;
  }

  // Into `rows` rows of q from `row` on, `at` being the column of the panel's first lane.
  void store(const QuantizedRows& q, int64_t row, int64_t rows, int64_t at, __mmask16 wanted) const {
    const bool aligned = wanted == 0xffff && at % 4 == 0 && q.first(row) == row && q.height(row) == rows;
    if (!aligned) {
      const auto* bytes = reinterpret_cast<const uint8_t*>(bytes_);
      for (int64_t r = 0; r < rows; ++r) {
        for (int64_t i = 0; i < kPanel; ++i) {
          if ((wanted >> i & 1) == 0) continue;
          const int64_t k = at + i;
          q.q[q.offset(row + r, k / 4 * 4) + k % 4] = bytes[r * kPanel + i];
        }
      }
      return;
    }
    uint8_t* to = q.q + q.offset(row, at);
    for (int64_t r = 0; r < rows; r += 4, to += 16) {
      const __m128i a = _mm_unpacklo_epi32(bytes_[r], bytes_[r + 1]),
                    b = _mm_unpackhi_epi32(bytes_[r], bytes_[r + 1]),
                    c = _mm_unpacklo_epi32(bytes_[r + 2], bytes_[r + 3]),
                    d = _mm_unpackhi_epi32(bytes_[r + 2], bytes_[r + 3]);
      const auto there = static_cast<__mmask8>(rows - r >= 4 ? 15 : (1 << (rows - r)) - 1);
      _mm_mask_storeu_epi32(to, there, _mm_unpacklo_epi64(a, c));
      _mm_mask_storeu_epi32(to + 4 * rows, there, _mm_unpackhi_epi64(a, c));
      _mm_mask_storeu_epi32(to + 8 * rows, there, _mm_unpacklo_epi64(b, d));
      _mm_mask_storeu_epi32(to + 12 * rows, there, _mm_unpackhi_epi64(b, d));
    }
  }

 private:
  Method method_;
  Rounding rounding_;
  __m512i after_;
  __m128i bytes_[kTileRowsAvx512] = {};
};

// The steps after the bias, on v: [rows].
[[gnu::noinline]] void finish_panel(const Epilogue& e, int64_t row, int64_t rows, int64_t at,
                                    __mmask16 wanted, __m512* v) {
  if (e.post_op == PostOp::kGelu) {
    for (int64_t r = 0; r < rows; ++r) v[r] = gelu(Vec{v[r]}).v;
  } else if (e.post_op == PostOp::kRelu) {
    for (int64_t r = 0; r < rows; ++r) v[r] = _mm512_max_ps(_mm512_setzero_ps(), v[r]);  // NaN stays
  }
  if (e.gamma != nullptr) {
    const __m512 gamma = _mm512_maskz_loadu_ps(wanted, e.gamma + at);
    for (int64_t r = 0; r < rows; ++r) v[r] = _mm512_mul_ps(gamma, v[r]);
  }
  if (e.residual != nullptr) {
    const float* residual = e.residual + row * e.residual_stride + at;
    for (int64_t r = 0; r < rows; ++r, residual += e.residual_stride) {
      v[r] = _mm512_add_ps(_mm512_maskz_loadu_ps(wanted, residual), v[r]);
    }
  }
  if (e.y != nullptr) {
    float* y = e.y + row * e.y_stride + at;
    for (int64_t r = 0; r < rows; ++r, y += e.y_stride) _mm512_mask_storeu_ps(y, wanted, v[r]);
    return;
  }
  PanelBytes bytes(e);
  for (int64_t r = 0; r < rows; ++r) {
    if (bytes.set(r, v[r], wanted)) continue;
    float nan = __builtin_nanf("");
    __atomic_store(e.q.scale + row + r, &nan, __ATOMIC_RELAXED);  // other threads may say so too
  }
  bytes.store(e.q, row, rows, at, wanted);
}

// value(r): the scaled products of row `row` + r and the panel that begins at column c of W. Every step is a
// loop of its own over the panel's rows in L1, so that what is not wanted costs nothing, but for the
// commonest: bias and store are one.
template <class Value>
inline __attribute__((always_inline)) void finish_panel(const Epilogue& e, int64_t row, int64_t rows,
                                                        int64_t c, Range columns, Value value) {
  const __mmask16 wanted = lanes_in(columns, c);
  const int64_t at = c - e.first_column;
  // Adding -0 changes nothing, not even -0.
  const __m512 bias = e.bias == nullptr ? _mm512_set1_ps(-0.0f) : _mm512_maskz_loadu_ps(wanted, e.bias + at);
  float* const y = e.y == nullptr ? nullptr : e.y + row * e.y_stride + at;
  const int64_t y_stride = e.y_stride;
  if (y != nullptr && e.post_op == PostOp::kNone && e.gamma == nullptr && e.residual == nullptr) {
    for (int64_t r = 0; r < rows; ++r) {
      _mm512_mask_storeu_ps(y + r * y_stride, wanted, _mm512_add_ps(value(r), bias));
    }
    return;
  }
  __m512 v[kTileRowsAvx512];
  for (int64_t r = 0; r < rows; ++r) v[r] = _mm512_add_ps(value(r), bias);
  finish_panel(e, row, rows, at, wanted, v);
}

}  // namespace
}  // namespace vqt::cpu
