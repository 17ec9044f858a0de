// rotary_kernel.h with vectors of any width. Include a vec_*.h first. Tokens are the outer loop, heads the
// inner one: a projection's result is read in its own order (a token's heads are side by side), and a token's
// cos and sin stay in L1.
#pragma once

#include "cpu/norm/rotary_kernel.h"
#include "cpu/norm/row_norm_vec.h"

namespace vqt::cpu {
namespace {

// One row. value(i, load): the values from i on, before they are rotated.
template <class Value>
__attribute__((always_inline)) inline void rotate_row(Value value, const float* cos, const float* sin,
                                                      int64_t d, int64_t part, float* y) {
  const auto load = [](const float* p) { return Vec::load(p); };
  for (int64_t first = 0; first < d; first += 2 * part) {
    int64_t i = first, j = first + part;  // of a pair
    for (; i + Vec::kWidth <= first + part; i += Vec::kWidth, j += Vec::kWidth) {
      const Vec u = value(i, load), v = value(j, load);
      (u * load(cos + i) - v * load(sin + i)).store(y + i);
      (v * load(cos + j) + u * load(sin + j)).store(y + j);
    }
    const int64_t left = first + part - i;
    if (left == 0) continue;
    const auto load_left = [left](const float* p) { return Vec::load_first(p, left); };
    const Vec u = value(i, load_left), v = value(j, load_left);
    (u * load_left(cos + i) - v * load_left(sin + i)).store_first(y + i, left);
    (v * load_left(cos + j) + u * load_left(sin + j)).store_first(y + j, left);
  }
}

constexpr int64_t kHeadsAtOnce = 16;  // whose moments are taken before the first is rotated

// d and part: a.d and a.part, which the compiler may know.
__attribute__((always_inline)) inline void rotary_rows_of(const Rotary& a, Range tokens, int64_t d,
                                                          int64_t part) {
  for (int64_t i = tokens.begin; i < tokens.end; ++i) {
    const int64_t b = i / a.tokens, t = i % a.tokens;
    for (int64_t first = 0; first < a.heads; first += kHeadsAtOnce) {
      const int64_t heads = a.heads - first < kHeadsAtOnce ? a.heads - first : kHeadsAtOnce;
      const auto row = [&](int64_t h) { return a.x.row(b, first + h, t); };
      RowMoments moments[kHeadsAtOnce];
      if (a.normed) moments_of_rows(row, heads, d, a.norm.eps, moments);
      for (int64_t h = 0; h < heads; ++h) {
        const float *x = row(h), *cos = a.cos.row(b, first + h, t), *sin = a.sin.row(b, first + h, t);
        float* y = a.y + ((b * a.heads + first + h) * a.tokens + t) * d;
        for (int64_t j = 0; j < d; j += 16) {  // two tokens on: rows this short end before prefetching begins
          __builtin_prefetch(x + 2 * a.x.token + j);
          __builtin_prefetch(y + 2 * d + j);
        }
        if (a.normed) {
          rotate_row(Normed(a.norm, moments[h], x), cos, sin, d, part, y);
        } else {
          rotate_row([x](int64_t j, auto load) { return load(x + j); }, cos, sin, d, part, y);
        }
      }
    }
  }
}

inline void rotary_rows(const Rotary& a, Range tokens) {
  if (a.d == 64 && a.part == 16) return rotary_rows_of(a, tokens, 64, 16);
  if (a.d == 64 && a.part == 32) return rotary_rows_of(a, tokens, 64, 32);
  rotary_rows_of(a, tokens, a.d, a.part);
}

}  // namespace
}  // namespace vqt::cpu
