// Attention of heads in integers: out = softmax(scale * q k^T) v, with q [M][d], k and v [N][d], d <= 128.
// docs/attention.md says why each step is as it is. Heads of up to 16 keys are computed in float32: see the end.
//
// This is the definition for more keys. attention_kernel_ref.cpp is the same in scalar code, and every kernel
// gives its bits, however heads and rows are cut into tasks. Rounding is to nearest, ties to even; every float32
// operation is rounded once. Keys form blocks of 128 (the last one is shorter).
//
//   mean_j    of k and of v, over tokens: within a block sum = fma(x_j, 1 / N, sum) in order, from 0; then
//             the blocks' sums are added in order, to 0
//
//   K         x = k - mean                      the same number off each score: softmax does not see it
//   per token sk = max(max_j |x_j| / 127, 1e-30),  ks_j = round(x_j * (1 / sk))                           s8
//             smax = the largest sk of the head,   kmult = max(1, round(32767 * (sk / smax)))            s16
//
//   Q         sq = max(max_j |q_j| / 127, 1e-30),  qs_j = round(q_j * (1 / sq))                           s8
//   per row   c = sq * (smax * fold)            log2 units of a step of a score; fold: see attention_fold()
//             bits = the largest of 0..15 with bits = 0 or c * 2^bits < 1
//             mult = min(65535, round(c * 2^(bits + 16)))                                                u16
//
//   V         x = v - mean
//   per block sv_bj = max(max |x_j| / 127, 1e-30) over the block's tokens,  vs_j = round(x_j * (1 / sv_bj))  s8
//             sv_j = the largest sv_bj,  ratio_bj = sv_bj / sv_j
//
//   scores    s = (sat16((sum_j qs_j ks_j) >> shift) * kmult + 2^14) >> 15                               s16
//             shift: attention_shift(d), so that nothing saturates
//   weights   top = the block's largest s
//   of a row  y = ((top - s) * mult) >> 16      the exponent, `bits` of it behind the binary point
//   in a      f = (y << (16 - bits)) mod 2^16,  w = y >> bits
//   block     p = (32583 - hi(f, 21738 - hi(f, 5504))) >> w,  hi(a, b) = (a b) >> 16;  0 where w > 15    u15
//             code = (p + 64) >> 7                                                                        u8
//             L = sum p,  O_j = sum code * vs_j                                                exact in int32
//
//   blocks    t = top * c,  m' = max(m, t),  e = exp2(min(m, t) - m')          m = -Inf, l = acc = 0 at first
//   in order  alpha = t > m ? e : 1,  beta = t > m ? 1 : e
//             l = fma(L, beta, l * alpha),  acc_j = fma(O_j, beta * ratio_bj, acc_j * alpha)
//
//   out_j     = fma(acc_j * (128 / l), sv_j, mean_j)
//
// The divisor is the sum of the weights before they were rounded to 8 bits: what that takes from small weights
// then counts as the mean of v. A row is NaN where its c is not finite: q not finite, k not finite anywhere in
// the head, or scores beyond float32's range. A column is NaN where v is not finite anywhere in it. Which NaN
// is not promised.
//
// Up to 16 keys: every sum is taken in order, from 0, and every product and every sum is rounded to float32
//
//   t_i       = (sum_j q_j k_ij) * (scale * log2(e))
//   e_i       = exp2(t_i - max t),  w_i = e_i / sum e
//   out_j     = sum_i w_i v_ij
//
// A row is NaN where a t_i is not finite, a column where v is not: as above, but that no mean is taken.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/head_rows.h"
#include "cpu/isa.h"
#include "cpu/range.h"

namespace vqt::cpu {

constexpr int64_t kMaxAttentionHeadSize = 128;
// Few keys average nothing out (the camera head of VGGT: 4, an error of 2.2 %), and have little to save.
constexpr int64_t kFewKeys = 16;

// Writes the rows of `tokens` of a head, d dense floats each, to `to`.
using MakeRowsFn = void (*)(const void* context, int64_t batch, int64_t head, Range tokens, float* to);

// Rows that are read in place, or made on the way (norm, rotary embedding) where `make` is set: then each row
// is made once, by the task that reads it, and `rows` is not used.
struct AttentionRows {
  HeadRows rows;
  MakeRowsFn make = nullptr;
  const void* context = nullptr;
};

struct Attention {
  int64_t batch = 0, heads = 0;
  int64_t queries = 0, keys = 0;  // M, and N >= 1
  int64_t d = 0;                  // 1..128
  AttentionRows q, k;
  HeadRows v;
  float scale = 0.0f;  // finite, 0 or more
  float* out = nullptr;
  int64_t out_batch = 0, out_head = 0, out_token = 0;  // strides, in floats

  float* out_row(int64_t b, int64_t h, int64_t t) const {
    return out + b * out_batch + h * out_head + t * out_token;
  }
};

// Heads are counted through all batches: head i is head i % heads of batch i / heads. A head is packed once,
// to `packed` (64-byte aligned, packed_bytes of it, a layout of the kernel's own); then any rows of q, in any
// cut and on any thread. None of the three calls scratch(): `packed` may lie there, unless `make` calls it.
struct AttentionKernel {
  int64_t (*packed_bytes)(const Attention& a);
  void (*pack)(const Attention& a, int64_t head, std::byte* packed);
  void (*rows)(const Attention& a, int64_t head, const std::byte* packed, Range queries);
};

extern const AttentionKernel kAttentionFewKeys;  // of every instruction set, up to kFewKeys
extern const AttentionKernel kAttentionRef;
extern const AttentionKernel kAttentionAvx2;
extern const AttentionKernel kAttentionAvxVnni;
extern const AttentionKernel kAttentionAvx512Vnni;
extern const AttentionKernel kAttentionAmx;

// The kernel of an instruction set, or of the best one below it that has a kernel, for a number of keys.
AttentionKernel attention_kernel(Isa isa, int64_t keys);

// The one that this process uses: AMX where it may, else best_isa()'s.
AttentionKernel best_attention_kernel(int64_t keys);

}  // namespace vqt::cpu
