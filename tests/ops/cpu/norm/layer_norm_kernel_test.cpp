#include "cpu/norm/layer_norm_kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

namespace vqt::cpu {
namespace {

constexpr float kUntouched = -77.0f;

struct Problem {
  int64_t rows = 1, k = 0, x_stride = 0;
  std::vector<float> x, weight, bias;  // weight, bias: empty for none
  double eps = 1e-5;
};

Problem random_problem(int64_t rows, int64_t k, bool weight, bool bias, uint32_t seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Problem p;
  p.rows = rows;
  p.k = k;
  p.x_stride = k + seed % 3;
  p.x.resize(rows * p.x_stride);
  for (int64_t r = 0; r < rows; ++r) {
    const float spread = std::ldexp(1.0f, static_cast<int>(random() % 40) - 20), shift = normal(random) * 10;
    for (int64_t i = 0; i < p.x_stride; ++i)
      p.x[r * p.x_stride + i] = i < k ? (normal(random) + shift) * spread : NAN;  // NaN: never read
  }
  if (weight) p.weight.resize(k);
  if (bias) p.bias.resize(k);
  for (float& w : p.weight) w = normal(random) + 1.0f;
  for (float& b : p.bias) b = normal(random);
  return p;
}

// One more value than the kernel may write.
std::vector<float> run(Isa isa, const Problem& p, int64_t split = 0) {
  std::vector<float> y(p.rows * p.k + 1, kUntouched);
  LayerNorm a;
  a.x = p.x.data();
  a.x_stride = p.x_stride;
  a.y = y.data();
  a.k = p.k;
  a.norm = {p.weight.empty() ? nullptr : p.weight.data(), p.bias.empty() ? nullptr : p.bias.data(), p.eps};
  layer_norm_kernel(isa)(a, {split, p.rows});
  layer_norm_kernel(isa)(a, {0, split});
  return y;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class LayerNormKernel : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this CPU";
  }
};

TEST_P(LayerNormKernel, ByHand) {
  // mean 2, variance 5, with eps 4 a deviation of 3: n = -1, -1/3, 1/3, 1
  Problem p;
  p.k = p.x_stride = 4;
  p.x = {-1.0f, 1.0f, 3.0f, 5.0f};
  p.eps = 4.0;
  EXPECT_EQ(run(GetParam(), p), (std::vector<float>{-1.0f, -1.0f / 3.0f, 1.0f / 3.0f, 1.0f, kUntouched}));
  p.weight = {1.0f, 3.0f, -3.0f, 0.5f};
  p.bias = {1.0f, 10.0f, 10.0f, 0.25f};
  const std::vector<float> y = run(GetParam(), p);
  EXPECT_EQ(y[0], 0.0f);
  EXPECT_FLOAT_EQ(y[1], 9.0f);
  EXPECT_FLOAT_EQ(y[2], 9.0f);
  EXPECT_EQ(y[3], 0.75f);
}

TEST_P(LayerNormKernel, EqualsTheReferenceBitForBit) {
  for (int64_t k = 1; k <= 200; ++k) {
    for (uint32_t seed = 0; seed < 4; ++seed) {
      const Problem p = random_problem(5, k, seed & 1, seed & 2, seed);
      ASSERT_TRUE(same_bits(run(GetParam(), p, 1 + seed), run(Isa::kRef, p)))
          << "k " << k << " seed " << seed;
    }
  }
  for (const int64_t k : {255, 256, 257, 1024, 2048, 4099}) {
    const Problem p = random_problem(3, k, true, true, 9);
    ASSERT_TRUE(same_bits(run(GetParam(), p), run(Isa::kRef, p))) << "k " << k;
  }
}

// Against the definition in float64, with offsets that a difference of squares would not survive.
TEST_P(LayerNormKernel, IsExactForRowsFarFromZero) {
  for (const int64_t k : {33, 64, 384, 1024}) {
    for (const float offset : {0.0f, 100.0f, 1e4f, 1e6f}) {
      Problem p = random_problem(1, k, true, true, 3);
      std::mt19937 random(5);
      std::normal_distribution<float> normal;
      for (int64_t i = 0; i < k; ++i) p.x[i] = normal(random) + offset;
      double mean = 0.0, variance = 0.0;
      for (int64_t i = 0; i < k; ++i) mean += p.x[i];
      mean /= static_cast<double>(k);
      for (int64_t i = 0; i < k; ++i) variance += (p.x[i] - mean) * (p.x[i] - mean);
      variance /= static_cast<double>(k);
      const std::vector<float> y = run(GetParam(), p);
      for (int64_t i = 0; i < k; ++i) {
        const double n = (p.x[i] - mean) / std::sqrt(variance + p.eps);
        const double terms = std::fabs(n * p.weight[i]) + std::fabs(p.bias[i]) + std::fabs(p.weight[i]);
        ASSERT_NEAR(y[i], n * p.weight[i] + p.bias[i], 3e-7 * terms) << "k " << k << " offset " << offset;
      }
    }
  }
}

TEST_P(LayerNormKernel, ConstantRowsAreTheBias) {
  for (const int64_t k : {1, 5, 31, 32, 100}) {
    Problem p = random_problem(1, k, true, true, 3);
    std::fill(p.x.begin(), p.x.begin() + k, 0.1f);  // not exact in binary: the sum rounds
    const std::vector<float> y = run(GetParam(), p);
    for (int64_t i = 0; i < k; ++i) ASSERT_NEAR(y[i], p.bias[i], 1e-5f) << "k " << k;
  }
}

TEST_P(LayerNormKernel, NanAndInfFillTheirRowOnly) {
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
                          -std::numeric_limits<float>::infinity()}) {
    for (int64_t at = 0; at < 45; ++at) {
      Problem p = random_problem(3, 45, true, true, 3);
      const std::vector<float> good = run(GetParam(), p);
      p.x[p.x_stride + at] = bad;
      const std::vector<float> y = run(GetParam(), p);
      for (int64_t i = 0; i < 45; ++i) {
        ASSERT_TRUE(std::isnan(y[45 + i])) << at;
        ASSERT_EQ(y[i], good[i]);
        ASSERT_EQ(y[90 + i], good[90 + i]);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, LayerNormKernel, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace vqt::cpu
