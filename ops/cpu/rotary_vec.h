// rotary_kernel.h with vectors of any width. Include a vec_*.h first.
// Tokens outside, heads inside: what a projection wrote is read in its own order (a token's heads lie side
// by side), and a token's cos and sin stay in the first cache.
#pragma once

#include "cpu/rotary_kernel.h"
#include "cpu/row_norm_vec.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

// One pair of parts of n values.
inline void turn(const float* x, const float* cos, const float* sin, int64_t n, float* y) {
  int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) {
    const Vec a = Vec::load(x + i), b = Vec::load(x + n + i);
    (a * Vec::load(cos + i) - b * Vec::load(sin + i)).store(y + i);
    (b * Vec::load(cos + n + i) + a * Vec::load(sin + n + i)).store(y + n + i);
  }
  if (i == n) return;
  const int64_t left = n - i;
  const auto load = [&](const float* p) { return Vec::load_first(p + i, left); };
  const Vec a = load(x), b = load(x + n);
  (a * load(cos) - b * load(sin)).store_first(y + i, left);
  (b * load(cos + n) + a * load(sin + n)).store_first(y + n + i, left);
}

inline void rotary_rows(const Rotary& a, Range tokens) {
  float* normed = static_cast<float*>(scratch(a.d * sizeof(float)));
  for (int64_t i = tokens.begin; i < tokens.end; ++i) {
    const int64_t b = i / a.tokens, t = i % a.tokens;
    for (int64_t h = 0; h < a.heads; ++h) {
      const float *x = a.x.row(b, h, t), *cos = a.cos.row(b, h, t), *sin = a.sin.row(b, h, t);
      float* y = a.y + ((b * a.heads + h) * a.tokens + t) * a.d;
      if (a.normed) {
        norm_row(a.norm, x, a.d, normed);
        x = normed;
      }
      for (int64_t j = 0; j < a.d; j += 2 * a.part) turn(x + j, cos + j, sin + j, a.part, y + j);
    }
  }
}

}  // namespace
}  // namespace vqt::cpu
