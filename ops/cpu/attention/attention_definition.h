// The numbers of attention_kernel.h's definition. Internal linkage: every instruction set has its own copy.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>

#include "cpu/arrays.h"
#include "cpu/attention/attention_kernel.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kKeyBlock = 128;
constexpr float kLeastScale = 1e-30f;
// 2^-f for f = 0 to 1 by kPower[0] - f * (kPower[1] - f * kPower[2]), in 2^-15: within 0.18 %, as no
// quadratic is nearer; code = (p + 64) >> 7 is 255 for f = 0.
constexpr int kPower[] = {32583, 21738, 5504};
// exp2(x) for x <= 0: x is limited to -126, z = round(x), Horner's scheme with fma of x - z, times 2^z. 7.5e-8.
constexpr float kExp2[] = {0x1.000002p+0f, 0x1.62e428p-1f, 0x1.ebf918p-3f,
                           0x1.c6b6e4p-5f, 0x1.3d0c52p-7f, 0x1.5c08e4p-10f};
constexpr float kRoundToInt = 0x1.8p23f;  // x + this - this is round(x); its last bits are the integer
constexpr float kLog2E = 0x1.715476p+0f;  // log2(e)

inline float exp2_of(float x) {
  x = x > -126.0f ? x : -126.0f;
  const float z = x + kRoundToInt, f = x - (z - kRoundToInt);
  float p = kExp2[5];
  for (int i = 4; i >= 0; --i) p = std::fma(p, f, kExp2[i]);
  return std::ldexp(p, static_cast<int>(z - kRoundToInt));
}

// How far a sum of d products of -127..127 is shifted to fit in 16 bits: 127^2 * 2^shift+1 >= 127^2 d.
inline int attention_shift(int64_t d) {
  int shift = 0;
  while ((int64_t{2} << shift) < d) ++shift;
  return shift;
}

// From a step of a score to log2 units, but for the scales of q and k.
inline float attention_fold(const Attention& a) {
  return a.scale * kLog2E * static_cast<float>(1 << attention_shift(a.d));
}

inline int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

// Rows of one head of q or k.
struct RowsOfHead {
  const float* data = nullptr;
  int64_t stride = 0;  // in floats
  const float* operator[](int64_t i) const { return data + i * stride; }
};

// Row 0 is tokens.begin. made: memory of tokens.size() * d floats, used where rows are made.
inline RowsOfHead rows_of_head(const Attention& a, const AttentionRows& x, int64_t head, Range tokens,
                               float* made) {
  const int64_t b = head / a.heads, h = head % a.heads;
  if (x.make == nullptr) return {x.rows.row(b, h, tokens.begin), x.rows.token};
  x.make(x.context, b, h, tokens, made);
  return {made, a.d};
}

}  // namespace
}  // namespace vqt::cpu
