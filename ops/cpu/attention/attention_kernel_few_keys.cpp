// Few keys, in float32: the second definition of attention_kernel.h. One file for every instruction set: loops
// over keys and over columns become vectors of the least one, which give the same bits as any.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/attention/attention_definition.h"

namespace vqt::cpu {
namespace {

struct Head {
  float* made;    // [N][d], of k where its rows are made
  float* k;       // [d][N]
  float* v;       // [N][d]
  float* poison;  // [d]: 0, or NaN where the column of v is not finite
  int64_t bytes;

  Head(const Attention& a, const std::byte* memory) {
    Arrays arrays(memory);
    made = arrays.take<float>(a.k.make == nullptr ? 0 : a.keys * a.d);
    k = arrays.take<float>(a.keys * a.d);
    v = arrays.take<float>(a.keys * a.d);
    poison = arrays.take<float>(a.d);
    bytes = arrays.bytes();
  }
};

int64_t packed_bytes(const Attention& a) { return Head(a, nullptr).bytes; }

void pack(const Attention& a, int64_t head, std::byte* packed) {
  const Head h(a, packed);
  const RowsOfHead k = rows_of_head(a, a.k, head, {0, a.keys}, h.made);
  std::fill(h.poison, h.poison + a.d, 0.0f);
  for (int64_t i = 0; i < a.keys; ++i) {
    const float* v = a.v.row(head / a.heads, head % a.heads, i);
    for (int64_t j = 0; j < a.d; ++j) {
      h.k[j * a.keys + i] = k[i][j];
      h.v[i * a.d + j] = v[j];
      h.poison[j] += v[j] - v[j];
    }
  }
}

// The weights of a row of q, or NaN where a score is not finite.
void weights_of(const Attention& a, const Head& h, const float* q, float* weight) {
  std::fill(weight, weight + a.keys, 0.0f);
  for (int64_t j = 0; j < a.d; ++j) {
    for (int64_t i = 0; i < a.keys; ++i) weight[i] += q[j] * h.k[j * a.keys + i];
  }
  const float fold = a.scale * kLog2E;
  float top = -std::numeric_limits<float>::infinity(), poison = 0.0f;
  for (int64_t i = 0; i < a.keys; ++i) {
    weight[i] *= fold;
    poison += weight[i] - weight[i];
    top = std::max(top, weight[i]);
  }
  float sum = poison;
  for (int64_t i = 0; i < a.keys; ++i) sum += weight[i] = exp2_of(weight[i] - top);
  for (int64_t i = 0; i < a.keys; ++i) weight[i] /= sum;
}

void rows(const Attention& a, int64_t head, const std::byte* packed, Range queries) {
  const Head h(a, packed);
  for (int64_t r = queries.begin; r < queries.end; ++r) {
    float made[kMaxAttentionHeadSize], weight[kFewKeys], sum[kMaxAttentionHeadSize] = {};
    weights_of(a, h, rows_of_head(a, a.q, head, {r, r + 1}, made)[0], weight);
    for (int64_t i = 0; i < a.keys; ++i) {
      for (int64_t j = 0; j < a.d; ++j) sum[j] += weight[i] * h.v[i * a.d + j];
    }
    float* out = a.out_row(head / a.heads, head % a.heads, r);
    for (int64_t j = 0; j < a.d; ++j) out[j] = sum[j] + h.poison[j];
  }
}

}  // namespace

const AttentionKernel kAttentionFewKeys = {packed_bytes, pack, rows};

}  // namespace vqt::cpu
