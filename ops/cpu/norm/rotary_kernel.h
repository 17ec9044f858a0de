// Rotary position embedding of heads, with LayerNorm before it or without:
//
//   v = norm ? LayerNorm(x) : x          over the d values of a row (row_norm.h)
//   a row is cut into pairs of parts of `part` values; of a pair (a, b)
//   y_a = a * cos + (-b) * sin
//   y_b = b * cos + a * sin              two products and a sum, each rounded to float32
//
// x, cos and sin are read in place: row (batch, head, token) begins at the sum of index * stride (stride 0:
// the same for all). y is [batch][heads][tokens][d]. Every kernel gives the reference's bits, for any split.
#pragma once

#include <cstdint>

#include "cpu/head_rows.h"
#include "cpu/isa.h"
#include "cpu/norm/row_norm.h"
#include "cpu/range.h"

namespace vqt::cpu {

struct Rotary {
  HeadRows x, cos, sin;
  float* y = nullptr;
  int64_t heads = 0, tokens = 0;
  int64_t d = 0;
  int64_t part = 0;  // d is a multiple of 2 * part
  bool normed = false;
  RowNorm norm;
};

// tokens: of batch * a.tokens; all heads of each.
using RotaryFn = void (*)(const Rotary& a, Range tokens);

void rotary_ref(const Rotary& a, Range tokens);
void rotary_avx2(const Rotary& a, Range tokens);
void rotary_avx512vnni(const Rotary& a, Range tokens);

inline RotaryFn rotary_kernel(Isa isa) { return kernel_for(isa, rotary_ref, rotary_avx2, rotary_avx512vnni); }

}  // namespace vqt::cpu
