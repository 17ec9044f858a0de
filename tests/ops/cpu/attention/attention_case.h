// A problem for attention kernels: q, k and v as one projection leaves them, and ways to compute it.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "cpu/attention/attention_kernel.h"

namespace vqt::cpu {

struct AttentionCase {
  static constexpr float kUntouched = -77.0f;

  int64_t batch = 1, heads = 1, queries = 1, keys = 1, d = 64;
  float scale = 0.125f;
  bool made_q = false, made_k = false;  // through a callback, which here copies
  std::vector<float> q, k, v;           // [batch][tokens][3][heads][d], of which the first third is used

  AttentionCase(int64_t m, int64_t n, int64_t head_size)
      : queries(m), keys(n), d(head_size), scale(1.0f / std::sqrt(static_cast<float>(head_size))) {}

  float& q_at(int64_t i, int64_t j) { return q[i * row() + j]; }  // of the first head
  float& k_at(int64_t i, int64_t j) { return k[i * row() + j]; }
  float& v_at(int64_t i, int64_t j) { return v[i * row() + j]; }

  AttentionCase& fill(float value = 0.0f) {
    q.assign(batch * queries * row(), value);
    k.assign(batch * keys * row(), value);
    v.assign(batch * keys * row(), value);
    return *this;
  }
  template <class Random>
  AttentionCase& fill_normal(Random& random, float mean_of_k = 0.3f) {
    std::normal_distribution<float> normal;
    fill();
    for (float& x : q) x = normal(random);
    for (float& x : k) x = normal(random) + mean_of_k;
    for (float& x : v) x = normal(random);
    return *this;
  }

  // Result [batch][queries][heads][d], one more value than the kernel may write; `cut` rows to a task.
  std::vector<float> run(Isa isa, int64_t cut = 0) const {
    std::vector<float> out(batch * queries * heads * d + 1, kUntouched);
    Attention a;
    a.batch = batch;
    a.heads = heads;
    a.queries = queries;
    a.keys = keys;
    a.d = d;
    a.scale = scale;
    a.q.rows = {q.data(), queries * row(), d, row()};
    a.k.rows = {k.data(), keys * row(), d, row()};
    a.v = {v.data(), keys * row(), d, row()};
    Source from_q{a.q.rows, d}, from_k{a.k.rows, d};
    if (made_q) a.q = {{}, copy_rows, &from_q};
    if (made_k) a.k = {{}, copy_rows, &from_k};
    a.out = out.data();
    a.out_batch = queries * heads * d;
    a.out_head = d;
    a.out_token = heads * d;
    const AttentionKernel kernel = attention_kernel(isa, keys);
    const int64_t bytes = kernel.packed_bytes(a), rows = cut == 0 ? queries : cut;
    const std::unique_ptr<void, void (*)(void*)> memory(std::aligned_alloc(64, bytes), std::free);
    auto* packed = static_cast<std::byte*>(memory.get());
    for (int64_t head = batch * heads - 1; head >= 0; --head) {  // backwards: what is left over shows
      kernel.pack(a, head, packed);
      for (int64_t i = 0; i < queries; i += rows) {
        kernel.rows(a, head, packed, {i, std::min(queries, i + rows)});
      }
    }
    return out;
  }

  // The same by softmax in float64.
  std::vector<double> exact() const {
    std::vector<double> out;
    for (int64_t b = 0; b < batch; ++b) {
      for (int64_t i = 0; i < queries; ++i) {
        for (int64_t h = 0; h < heads; ++h) append_exact(b, i, h, out);
      }
    }
    return out;
  }

 private:
  struct Source {
    HeadRows rows;
    int64_t d;
  };
  static void copy_rows(const void* context, int64_t batch, int64_t head, Range tokens, float* to) {
    const auto& source = *static_cast<const Source*>(context);
    for (int64_t i = tokens.begin; i < tokens.end; ++i, to += source.d) {
      std::memcpy(to, source.rows.row(batch, head, i), source.d * sizeof(float));
    }
  }
  int64_t row() const { return 3 * heads * d; }

  void append_exact(int64_t b, int64_t i, int64_t h, std::vector<double>& out) const {
    std::vector<double> weight(keys), sum(d, 0.0);
    double most = -INFINITY, total = 0.0;
    for (int64_t t = 0; t < keys; ++t) {
      for (int64_t j = 0; j < d; ++j) {
        weight[t] += static_cast<double>(q[(b * queries + i) * row() + h * d + j]) *
                     k[(b * keys + t) * row() + h * d + j] * scale;
      }
      most = std::max(most, weight[t]);
    }
    for (int64_t t = 0; t < keys; ++t) {
      weight[t] = std::exp(weight[t] - most);
      total += weight[t];
      for (int64_t j = 0; j < d; ++j) sum[j] += weight[t] * v[(b * keys + t) * row() + h * d + j];
    }
    for (int64_t j = 0; j < d; ++j) out.push_back(sum[j] / total);
  }
};

// |a - b| / |b|
inline double relative_error(const std::vector<float>& a, const std::vector<double>& b) {
  double error = 0.0, size = 0.0;
  for (size_t i = 0; i < b.size(); ++i) {
    error += (a[i] - b[i]) * (a[i] - b[i]);
    size += b[i] * b[i];
  }
  return std::sqrt(error / size);
}

}  // namespace vqt::cpu
