// The definition in scalar code.
#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/attention/attention_definition.h"

namespace vqt::cpu {
namespace {

struct Head {
  float* made;              // [N][d], of k where its rows are made
  float* k_mean;            // [d]
  float* k_scale;           // [N]
  float* k_largest;         // smax
  int8_t* k;                // [N][d]
  int16_t* k_mult;          // [N]
  float *v_mean, *v_scale;  // [d]
  float* v_block_scale;     // [blocks][d]
  int8_t* v;                // [N][d]
  int64_t bytes;

  Head(const Attention& a, const std::byte* memory) {
    Arrays arrays(memory);
    const int64_t blocks = (a.keys + kKeyBlock - 1) / kKeyBlock;
    made = arrays.take<float>(a.k.make == nullptr ? 0 : a.keys * a.d);
    k_mean = arrays.take<float>(a.d);
    k_scale = arrays.take<float>(a.keys);
    k_largest = arrays.take<float>(1);
    k = arrays.take<int8_t>(a.keys * a.d);
    k_mult = arrays.take<int16_t>(a.keys);
    v_mean = arrays.take<float>(a.d);
    v_scale = arrays.take<float>(a.d);
    v_block_scale = arrays.take<float>(blocks * a.d);
    v = arrays.take<int8_t>(a.keys * a.d);
    bytes = arrays.bytes();
  }
};

// The larger one; NaN where one is.
float larger(float a, float b) { return a > b || std::isnan(a) ? a : b; }

// What 127 stands for.
float scale_of(float largest) {
  const float scale = largest / 127.0f;
  return scale < kLeastScale ? kLeastScale : scale;
}

// A value that is not finite ends in a NaN whatever its code.
int8_t code(float x, float scale) {
  const float value = x * (1.0f / scale);
  return static_cast<int8_t>(std::isfinite(value) ? std::lrint(value) : 0);
}

void mean_over_tokens(RowsOfHead x, int64_t tokens, int64_t d, float* mean) {
  const float share = 1.0f / static_cast<float>(tokens);
  for (int64_t j = 0; j < d; ++j) {
    mean[j] = 0.0f;
    for (int64_t b = 0; b < tokens; b += kKeyBlock) {
      float sum = 0.0f;
      for (int64_t i = b; i < std::min(tokens, b + kKeyBlock); ++i) sum = std::fma(x[i][j], share, sum);
      mean[j] += sum;
    }
  }
}

void pack_keys(const Attention& a, int64_t head, Head& h) {
  const RowsOfHead k = rows_of_head(a, a.k, head, {0, a.keys}, h.made);
  mean_over_tokens(k, a.keys, a.d, h.k_mean);
  *h.k_largest = 0.0f;
  for (int64_t i = 0; i < a.keys; ++i) {
    float largest = 0.0f;
    for (int64_t j = 0; j < a.d; ++j) largest = larger(largest, std::fabs(k[i][j] - h.k_mean[j]));
    h.k_scale[i] = scale_of(largest);
    *h.k_largest = larger(*h.k_largest, h.k_scale[i]);
    for (int64_t j = 0; j < a.d; ++j) h.k[i * a.d + j] = code(k[i][j] - h.k_mean[j], h.k_scale[i]);
  }
  for (int64_t i = 0; i < a.keys; ++i) {
    const float mult = 32767.0f * (h.k_scale[i] / *h.k_largest);
    h.k_mult[i] = static_cast<int16_t>(std::isfinite(mult) ? std::max(1L, std::lrint(mult)) : 1);
  }
}

void pack_values(const Attention& a, int64_t head, Head& h) {
  const RowsOfHead v = {a.v.row(head / a.heads, head % a.heads, 0), a.v.token};
  mean_over_tokens(v, a.keys, a.d, h.v_mean);
  for (int64_t j = 0; j < a.d; ++j) {
    h.v_scale[j] = 0.0f;
    for (int64_t b = 0; b < a.keys; b += kKeyBlock) {
      const int64_t end = std::min(a.keys, b + kKeyBlock);
      float largest = 0.0f;
      for (int64_t i = b; i < end; ++i) largest = larger(largest, std::fabs(v[i][j] - h.v_mean[j]));
      const float scale = scale_of(largest);
      for (int64_t i = b; i < end; ++i) h.v[i * a.d + j] = code(v[i][j] - h.v_mean[j], scale);
      h.v_block_scale[b / kKeyBlock * a.d + j] = scale;
      h.v_scale[j] = larger(h.v_scale[j], scale);
    }
  }
}

int high(int a, int b) {
  return static_cast<int>((static_cast<uint32_t>(a) * static_cast<uint32_t>(b)) >> 16);
}

struct Row {
  int8_t codes[kMaxAttentionHeadSize];
  float c = 0.0f;
  int bits = 0, mult = 0;

  Row(const float* q, int64_t d, float step) {  // step: smax * fold
    float largest = 0.0f;
    for (int64_t j = 0; j < d; ++j) largest = larger(largest, std::fabs(q[j]));
    const float scale = scale_of(largest);
    for (int64_t j = 0; j < d; ++j) codes[j] = code(q[j], scale);
    c = scale * step;
    if (!std::isfinite(c)) return;
    while (bits < 15 && std::ldexp(c, bits + 1) < 1.0f) ++bits;
    mult = static_cast<int>(std::lrint(std::min(std::ldexp(c, bits + 16), 65535.0f)));
  }
};

struct State {
  float m = -std::numeric_limits<float>::infinity(), l = 0.0f;
  float acc[kMaxAttentionHeadSize] = {};
};

// keys: a block.
void add_block(const Attention& a, const Head& h, const Row& row, Range keys, State& state) {
  int score[kKeyBlock], top = -32768;
  for (int64_t i = keys.begin; i < keys.end; ++i) {
    int dot = 0;
    for (int64_t j = 0; j < a.d; ++j) dot += row.codes[j] * h.k[i * a.d + j];
    const int s = std::clamp(dot >> attention_shift(a.d), -32768, 32767) * h.k_mult[i];
    score[i - keys.begin] = (s + (1 << 14)) >> 15;
    top = std::max(top, score[i - keys.begin]);
  }
  int sum = 0, o[kMaxAttentionHeadSize] = {};
  for (int64_t i = keys.begin; i < keys.end; ++i) {
    const int y = high(top - score[i - keys.begin], row.mult);
    const int f = (y << (16 - row.bits)) & 0xffff, whole = y >> row.bits;
    const int power = kPower[0] - high(f, kPower[1] - high(f, kPower[2]));
    const int p = whole > 15 ? 0 : power >> whole, code = (p + 64) >> 7;
    sum += p;
    for (int64_t j = 0; j < a.d; ++j) o[j] += code * h.v[i * a.d + j];
  }
  const float t = static_cast<float>(top) * row.c, most = std::max(state.m, t);
  const float e = exp2_of(std::min(state.m, t) - most);
  const float alpha = t > state.m ? e : 1.0f, beta = t > state.m ? 1.0f : e;
  state.m = most;
  state.l = std::fma(static_cast<float>(sum), beta, state.l * alpha);
  const float* block_scale = h.v_block_scale + keys.begin / kKeyBlock * a.d;
  for (int64_t j = 0; j < a.d; ++j) {
    const float ratio = block_scale[j] / h.v_scale[j];
    state.acc[j] = std::fma(static_cast<float>(o[j]), beta * ratio, state.acc[j] * alpha);
  }
}

int64_t packed_bytes(const Attention& a) { return Head(a, nullptr).bytes; }

void pack(const Attention& a, int64_t head, std::byte* packed) {
  Head h(a, packed);
  pack_keys(a, head, h);
  pack_values(a, head, h);
}

void rows(const Attention& a, int64_t head, const std::byte* packed, Range queries) {
  const Head h(a, packed);
  for (int64_t i = queries.begin; i < queries.end; ++i) {
    float made[kMaxAttentionHeadSize];
    const Row row(rows_of_head(a, a.q, head, {i, i + 1}, made)[0], a.d, *h.k_largest * attention_fold(a));
    State state;
    for (int64_t b = 0; b < a.keys; b += kKeyBlock) {
      add_block(a, h, row, {b, std::min(a.keys, b + kKeyBlock)}, state);
    }
    const float share = std::isfinite(row.c) ? 128.0f / state.l : std::numeric_limits<float>::quiet_NaN();
    float* out = a.out_row(head / a.heads, head % a.heads, i);
    for (int64_t j = 0; j < a.d; ++j) out[j] = std::fma(state.acc[j] * share, h.v_scale[j], h.v_mean[j]);
  }
}

}  // namespace

const AttentionKernel kAttentionRef = {packed_bytes, pack, rows};

}  // namespace vqt::cpu
