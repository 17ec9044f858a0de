// The epilogue (epilogue.h) on AVX512, a panel of a tile at a time. For files named *_avx512vnni.cpp only.
#pragma once

#include <immintrin.h>

#include "cpu/epilogue.h"
#include "cpu/gelu.h"
#include "cpu/packed_weight.h"
#include "cpu/product_avx512vnni.h"
#include "cpu/range.h"
#include "cpu/vec_avx512.h"

namespace vqt::cpu {
namespace {

// The columns of the panel that begins at c which lie in `columns`.
inline __mmask16 lanes_in(Range columns, int64_t c) {
  const int64_t begin = columns.begin > c ? columns.begin - c : 0,
                end = columns.end - c < kPanel ? columns.end - c : kPanel;
  return static_cast<__mmask16>((0xffffu << begin) & (0xffffu >> (kPanel - end)));
}

// Says what of the result and the residual a tile will touch.
inline void fetch_result(const Epilogue& e, int64_t row, int64_t c, Ahead& ahead) {
  const int64_t at = c - e.first_column;
  ahead.out = reinterpret_cast<const char*>(e.y + row * e.y_stride + at);
  ahead.out_stride = e.y_stride * static_cast<int64_t>(sizeof(float));
  if (e.residual == nullptr) return;
  ahead.residual = reinterpret_cast<const char*>(e.residual + row * e.residual_stride + at);
  ahead.residual_stride = e.residual_stride * static_cast<int64_t>(sizeof(float));
}

// value(r): the scaled products of row `row` + r and the panel that begins at column c of W.
template <class Value>
inline void finish_panel(Epilogue e, int64_t row, int64_t rows, int64_t c, Range columns, Value value) {
  const __mmask16 wanted = lanes_in(columns, c);
  const int64_t at = c - e.first_column;
  const __m512 none = _mm512_setzero_ps();
  const __m512 bias = e.bias == nullptr ? none : _mm512_maskz_loadu_ps(wanted, e.bias + at);
  const __m512 gamma = e.gamma == nullptr ? none : _mm512_maskz_loadu_ps(wanted, e.gamma + at);
  for (int64_t r = 0; r < rows; ++r) {
    __m512 v = value(r);
    if (e.bias != nullptr) v = _mm512_add_ps(v, bias);
    if (e.post_op == PostOp::kGelu) v = gelu(Vec{v}).v;
    if (e.post_op == PostOp::kRelu) v = _mm512_max_ps(none, v);
    if (e.gamma != nullptr) v = _mm512_mul_ps(gamma, v);
    if (e.residual != nullptr) {
      v = _mm512_add_ps(_mm512_maskz_loadu_ps(wanted, e.residual + (row + r) * e.residual_stride + at), v);
    }
    _mm512_mask_storeu_ps(e.y + (row + r) * e.y_stride + at, wanted, v);
  }
}

}  // namespace
}  // namespace vqt::cpu
