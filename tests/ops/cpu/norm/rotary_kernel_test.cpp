#include "cpu/norm/rotary_kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace vqt::cpu {
namespace {

constexpr float kUntouched = -77.0f;

struct Problem {
  int64_t batch = 1, heads = 1, tokens = 1, d = 0, axes = 1;
  bool norm = false;
  bool own_tables = false;  // each head has its own cos and sin, not all the same
  std::vector<float> qkv, cos, sin, weight, bias;

  Rotary job(float* y) const {
    Rotary a;
    // the middle one of three projections side by side: [batch][tokens][3][heads][d]
    a.x = {qkv.data() + heads * d, tokens * 3 * heads * d, d, 3 * heads * d};
    a.cos = {cos.data(), 0, own_tables ? tokens * d : 0, d};
    a.sin = {sin.data(), 0, own_tables ? tokens * d : 0, d};
    a.y = y;
    a.heads = heads;
    a.tokens = tokens;
    a.d = d;
    a.part = d / (2 * axes);
    a.normed = norm;
    a.norm = {weight.empty() ? nullptr : weight.data(), bias.empty() ? nullptr : bias.data(), 1e-5};
    return a;
  }
};

Problem random_problem(int64_t part, int64_t axes, bool norm, uint32_t seed) {
  std::mt19937 random(seed + part * 8);
  std::normal_distribution<float> normal;
  Problem p;
  p.batch = 2;
  const int64_t heads[] = {1, 3, 4, 7, 19};  // norms are taken four at a time, of at most 16
  p.heads = heads[(part + seed) % 5];
  p.tokens = 3;
  p.axes = axes;
  p.d = 2 * axes * part;
  p.norm = norm;
  p.own_tables = seed & 1;
  const auto fill = [&](std::vector<float>& values, int64_t count) {
    values.resize(count);
    for (float& v : values) v = normal(random);
  };
  fill(p.qkv, p.batch * p.tokens * 3 * p.heads * p.d);
  fill(p.cos, p.heads * p.tokens * p.d);
  fill(p.sin, p.heads * p.tokens * p.d);
  if (seed & 2) fill(p.weight, p.d);
  if (seed & 4) fill(p.bias, p.d);
  return p;
}

// One more value than the kernel may write.
std::vector<float> run(Isa isa, const Problem& p, int64_t split = 0) {
  const int64_t all = p.batch * p.tokens;
  std::vector<float> y(all * p.heads * p.d + 1, kUntouched);
  const Rotary job = p.job(y.data());
  rotary_kernel(isa)(job, {split, all});
  rotary_kernel(isa)(job, {0, split});
  return y;
}

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

class RotaryKernel : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this CPU";
  }
};

TEST_P(RotaryKernel, ByHand) {
  Problem p;
  p.d = 4;
  p.qkv = {0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0};
  p.cos = {1, 10, 100, 1000};
  p.sin = {1, 2, 3, 4};
  EXPECT_EQ(run(GetParam(), p), (std::vector<float>{1 - 3, 20 - 8, 300 + 3, 4000 + 8, kUntouched}));
  p.axes = 2;
  EXPECT_EQ(run(GetParam(), p), (std::vector<float>{1 - 2, 20 + 2, 300 - 12, 4000 + 12, kUntouched}));
  p.cos = {1, 1, 1, 1};
  p.sin = {0, 0, 0, 0};
  p.norm = true;
  p.weight = {1, 0, 2, 1};
  p.bias = {0, 5, 0, 0};
  const float n = static_cast<float>(1.0 / std::sqrt(1.25 + 1e-5));  // of 2.5 +- 1.5, 0.5
  EXPECT_EQ(run(GetParam(), p), (std::vector<float>{-1.5f * n, 5.0f, 2 * 0.5f * n, 1.5f * n, kUntouched}));
}

TEST_P(RotaryKernel, EqualsTheReferenceBitForBit) {
  for (int64_t part = 1; part <= 100; ++part) {
    for (uint32_t seed = 0; seed < 8; ++seed) {
      for (const bool norm : {false, true}) {
        const Problem p = random_problem(part, 1 + seed % 2, norm, seed);
        ASSERT_TRUE(same_bits(run(GetParam(), p, seed % 7), run(Isa::kRef, p)))
            << "part " << part << " seed " << seed << " norm " << norm;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, RotaryKernel, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace vqt::cpu
