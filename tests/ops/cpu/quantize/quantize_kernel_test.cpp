#include "cpu/quantize/quantize_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace vqt::cpu {
namespace {

struct Problem {
  Quantized job;
  std::vector<float> x, scale;
  std::vector<int32_t> zero;
  std::string name;
};

Problem random_problem(int64_t n, int64_t k, int64_t run, int64_t bits, bool symmetric) {
  std::mt19937 random(static_cast<unsigned>(n * 100 + k));
  Problem p;
  p.name = std::to_string(n) + "x" + std::to_string(k) + " run " + std::to_string(run) + " bits " +
           std::to_string(bits) + (symmetric ? " sym" : " asym");
  const int64_t width =
      run < k ? (k + run - 1) / run * run : k;  // rows begin a run, but for one scale for all
  const int64_t scales = (n * width + run - 1) / run;
  for (int64_t i = 0; i < scales; ++i) {
    p.scale.push_back(
        std::ldexp(1.0f + static_cast<float>(random() % 100) / 100, static_cast<int>(random() % 20) - 10));
    p.zero.push_back(symmetric ? 0 : static_cast<int32_t>(random() % (1u << bits)));
  }
  // Quarters of a step over a range that saturates: many exact halves, many values outside.
  const int span = bits == 16 ? 300000 : 4 << bits;
  for (int64_t i = 0; i < n * k; ++i) {
    p.x.push_back(p.scale[(i / k * width + i % k) / run] *
                  static_cast<float>(static_cast<int>(random() % (2 * span)) - span) / 4);
  }
  p.job = {n, k, run, width, bits, symmetric, nullptr, nullptr};
  return p;
}

// One value by the formulas, with the library's rounding.
int32_t expected(const Problem& p, int64_t i) {
  const int64_t bits = p.job.bits;
  const int64_t index = (i / p.job.k * p.job.width + i % p.job.k) / p.job.run;
  const float scale = p.scale[index];
  const float top = static_cast<float>(p.job.symmetric ? (1 << (bits - 1)) - 1 : (1 << bits) - 1);
  float v = p.x[i] / scale;
  if (!p.job.symmetric) v += static_cast<float>(p.zero[index]);
  return static_cast<int32_t>(std::clamp(std::nearbyint(v), p.job.symmetric ? -top : 0.0f, top));
}

int64_t row_bytes(const Quantized& job) { return job.bits == 4 ? (job.k + 1) / 2 : job.k * job.bits / 8; }

int32_t stored(const Quantized& job, const std::vector<uint8_t>& q, int64_t row, int64_t k) {
  if (job.bits == 4) {
    const int v = q[row * row_bytes(job) + k / 2] >> (k % 2 * 4) & 15;
    return job.symmetric && v >= 8 ? v - 16 : v;
  }
  if (job.bits == 16) {
    int16_t v;
    std::memcpy(&v, &q[2 * (row * job.k + k)], 2);
    return v;
  }
  const uint8_t byte = q[row * job.k + k];
  return job.symmetric ? static_cast<int8_t>(byte) : byte;
}

TEST(QuantizeRowsJob, EveryWidthRunAndTailEqualsTheFormula) {
  for (const int64_t n : {1, 3}) {
    for (const int64_t k : {1, 2, 3, 8, 15, 17, 33, 64, 100, 515}) {
      for (const int64_t run : {int64_t{1}, int64_t{2}, int64_t{7}, int64_t{32}, k, n * k, 2 * n * k}) {
        for (const int64_t bits : {4, 8, 16}) {
          for (const bool symmetric : {true, false}) {
            if (bits == 16 && !symmetric) continue;
            Problem p = random_problem(n, k, run, bits, symmetric);
            p.job.scale = p.scale.data();
            p.job.zero = p.zero.data();
            std::vector<uint8_t> q(n * row_bytes(p.job), 0xee);
            ASSERT_TRUE(quantize_weight_rows(p.job, p.x.data(), n / 2, n, q.data())) << p.name;
            ASSERT_TRUE(quantize_weight_rows(p.job, p.x.data(), 0, n / 2, q.data())) << p.name;
            std::vector<float> back(n * k, -1);
            dequantize_weight_rows(p.job, q.data(), 0, n, back.data());
            for (int64_t i = 0; i < n * k; ++i) {
              const int32_t want = expected(p, i);
              ASSERT_EQ(stored(p.job, q, i / k, i % k), want) << p.name << " at " << i << " x " << p.x[i];
              const int64_t index = (i / k * p.job.width + i % k) / run;
              ASSERT_EQ(back[i], static_cast<float>(want - p.zero[index]) * p.scale[index]) << p.name;
            }
            if (bits == 4 && k % 2 != 0) {
              ASSERT_EQ(q[row_bytes(p.job) - 1] >> 4, 0) << p.name << ": the unused nibble";
            }
          }
        }
      }
    }
  }
}

TEST(QuantizeRowsJob, SaysWhenARowIsNotFinite) {
  const float scale = 1.0f;
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const float sign : {1.0f, -1.0f}) {
      for (int at = 0; at < 37; ++at) {
        std::vector<float> x(2 * 37, 1.0f);
        x[37 + at] = std::copysign(bad, sign);
        const Quantized job = {2, 37, 74, 37, 8, true, &scale, nullptr};
        std::vector<uint8_t> q(2 * 37);
        EXPECT_FALSE(quantize_weight_rows(job, x.data(), 0, 2, q.data()));
        EXPECT_TRUE(quantize_weight_rows(job, x.data(), 0, 1, q.data()));
      }
    }
  }
}

}  // namespace
}  // namespace vqt::cpu
