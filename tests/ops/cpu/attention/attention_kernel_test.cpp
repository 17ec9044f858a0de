#include "cpu/attention/attention_kernel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "tests/case_random.h"
#include "tests/ops/cpu/attention/attention_case.h"

namespace vqt::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

// Values that reach every branch: sharp and flat rows, keys and blocks of other sizes, zeros.
AttentionCase varied(int64_t m, int64_t n, int64_t d, CaseRandom& random) {
  AttentionCase c(m, n, d);
  c.batch = 2;
  c.heads = 2;
  c.fill_normal(random);
  std::uniform_real_distribution<float> exponent(-6.0f, 3.0f);
  const int64_t row = 3 * c.heads * d;
  const auto scale_rows = [&](std::vector<float>& x, int64_t every) {
    for (size_t i = 0; i < x.size(); i += row) {
      if (random() % every != 0) continue;
      const float by = random() % 4 == 0 ? 0.0f : std::exp2(exponent(random));
      for (int64_t j = 0; j < row; ++j) x[i + j] *= by;
    }
  };
  scale_rows(c.q, 2);
  scale_rows(c.k, 5);
  scale_rows(c.v, 9);
  return c;
}

class AttentionKernelTest : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this CPU";
  }
};

TEST_P(AttentionKernelTest, OneKeyIsItsValue) {
  AttentionCase c(3, 1, 32);
  CaseRandom random({});
  c.fill_normal(random);
  const std::vector<float> out = c.run(GetParam());
  for (int64_t i = 0; i < c.queries; ++i) {
    for (int64_t j = 0; j < c.d; ++j) EXPECT_EQ(out[i * c.d + j], c.v_at(0, j));
  }
  EXPECT_EQ(out.back(), AttentionCase::kUntouched);
}

// Keys of two kinds, as many of each, 1 and -1 in the first value, so that the mean is 0 and codes are 127 and
// -127. d = 16: shift 3.
TEST_P(AttentionKernelTest, ByHand) {
  AttentionCase c(3, 64, 16);
  c.fill();
  c.scale = 1.0f;
  for (int64_t i = 0; i < c.keys; ++i) c.k_at(i, 0) = c.v_at(i, 0) = i % 2 == 0 ? 1.0f : -1.0f;
  c.q_at(0, 0) = 100.0f;  // the second kind is e^-200
  // The third row: 127^2 >> 3 = 2016 and -2017, 4033 apart: a step is 2 / 4033 of log2(2), as near as one
  // gets to the weights 1 and 1/4.
  c.q_at(2, 0) = static_cast<float>(std::log(2.0));
  const std::vector<float> out = c.run(GetParam());
  EXPECT_FLOAT_EQ(out[0], 32640.0f / 32583.0f);  // code 255 * 128 over the weight before rounding
  EXPECT_FLOAT_EQ(out[16], 0.0f);                // equal weights
  // c = 8 log2(e) ln(2) / 127^2 = 0.000496; bits = 10: c 2^26 = 33287 = mult; y = 4033 * 33287 >> 16 = 2048,
  // f = 0, w = 2: p = 32583 >> 2 = 8145, code 64.
  EXPECT_FLOAT_EQ(out[32], (255.0f - 64.0f) * 128.0f / (32583.0f + 8145.0f));
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 1; j < 16; ++j) EXPECT_EQ(out[i * 16 + j], 0.0f);
  }
}

// Up to kFewKeys keys are float32; scores of ln 3, so that weights are 3/4 and 1/4.
TEST_P(AttentionKernelTest, FewKeysByHand) {
  AttentionCase c(1, 2, 16);
  c.fill();
  c.scale = 0.5f;
  c.q_at(0, 0) = static_cast<float>(2.0 * std::log(3.0));
  c.k_at(0, 0) = 1.0f;
  c.v_at(0, 0) = 8.0f;
  c.v_at(1, 0) = 16.0f;
  EXPECT_FLOAT_EQ(c.run(GetParam())[0], 10.0f);
}

TEST_P(AttentionKernelTest, FewKeysAreFloat) {
  for (const int64_t n : {int64_t{1}, int64_t{2}, int64_t{4}, int64_t{15}, kFewKeys, kFewKeys + 1}) {
    for (const int64_t d : {1, 32, 50, 128}) {
      CaseRandom random({n, d});
      AttentionCase c = varied(9, n, d, random);
      c.made_q = n == 4;
      c.made_k = n == 15;
      const double error = relative_error(c.run(GetParam(), n % 3), c.exact());
      if (n <= kFewKeys) {
        EXPECT_LT(error, 1e-5) << n << " keys of " << d;
      } else {
        EXPECT_GT(error, 1e-3) << n << " keys of " << d;
      }
      EXPECT_TRUE(same_bits(c.run(GetParam(), 2), c.run(Isa::kRef))) << n << " keys of " << d;
    }
  }
}

TEST_P(AttentionKernelTest, ErrorsOnNormalData) {
  for (const int64_t d : {32, 64, 80, 96, 128}) {
    AttentionCase c(64, 521, d);
    CaseRandom random({d});
    c.fill_normal(random);
    const std::vector<double> exact = c.exact();
    EXPECT_LT(relative_error(c.run(GetParam()), exact), 0.0150) << d;
    EXPECT_GT(relative_error(c.run(GetParam()), exact), 0.0080) << d << ": is it float?";
    for (int64_t j = 0; j < d; ++j) c.v_at(77, j) *= 10.0f;                // one token with a large v
    EXPECT_LT(relative_error(c.run(GetParam()), c.exact()), 0.0200) << d;  // one scale for all tokens: 0.043
  }
}

// A channel of k with a large mean, as trained models have.
TEST_P(AttentionKernelTest, AMeanOfKeysCostsNothing) {
  AttentionCase c(64, 300, 64);
  CaseRandom random({});
  c.fill_normal(random);
  for (int64_t i = 0; i < c.keys; ++i) {
    c.k_at(i, 3) += 30.0f;
    c.v_at(i, 5) += 30.0f;
  }
  const std::vector<float> out = c.run(GetParam());
  const std::vector<double> exact = c.exact();
  double error = 0.0, size = 0.0;
  for (size_t i = 0; i < exact.size(); ++i) {
    const double mean = i % 64 == 5 ? 30.0 : 0.0;
    error += (out[i] - exact[i]) * (out[i] - exact[i]);
    size += (exact[i] - mean) * (exact[i] - mean);
  }
  EXPECT_LT(std::sqrt(error / size), 0.016);
}

TEST_P(AttentionKernelTest, ValuesOfAnySize) {
  for (const float size : {0.0f, 1e-30f, 1e-20f, 1e4f, 1e15f}) {
    AttentionCase c(5, 150, 64);
    CaseRandom random({static_cast<int64_t>(std::log10(size + 1e-35f))});
    c.fill_normal(random);
    for (float& x : c.q) x *= size;
    for (float& x : c.k) x *= size;
    const std::vector<float> out = c.run(GetParam());
    for (const float x : out) ASSERT_TRUE(std::isfinite(x)) << size;
    // From 1e4 on every row takes its first key alone, in int8 perhaps another near it.
    if (size < 1e4f) {
      EXPECT_LT(relative_error(out, c.exact()), 0.02) << size;
    }
  }
  for (const float size : {0.0f, 1e-20f, 1e4f, 1e37f}) {  // of v
    AttentionCase c(5, 150, 64);
    CaseRandom random({static_cast<int64_t>(std::log10(size + 1e-35f))});
    c.fill_normal(random);
    for (float& x : c.v) x *= size;
    const std::vector<float> out = c.run(GetParam());
    if (size == 0.0f) {
      EXPECT_EQ(std::count(out.begin(), out.end(), 0.0f), static_cast<int64_t>(out.size()) - 1);
    } else {
      EXPECT_LT(relative_error(out, c.exact()), 0.02) << size;
    }
  }
}

TEST_P(AttentionKernelTest, NaNAndInfinityStayWhereTheyBelong) {
  for (const float bad : {kNaN, kInf, -kInf}) {
    for (const auto& [at, keys] :
         {std::pair{0, 133}, {63, 133}, {64, 133}, {130, 133}, {0, 1}, {3, 4}, {15, 16}}) {
      AttentionCase good(150, keys, 64);
      CaseRandom random({at, keys});
      good.fill_normal(random);
      const std::vector<float> expected = good.run(GetParam());
      AttentionCase q = good, k = good, v = good;
      q.q_at(at, 17) = bad;
      k.k_at(at, 17) = bad;
      v.v_at(at, 17) = bad;
      const std::vector<float> of_q = q.run(GetParam()), of_k = k.run(GetParam()), of_v = v.run(GetParam());
      for (int64_t i = 0; i < 150 * 64; ++i) {
        ASSERT_TRUE(i / 64 == at ? std::isnan(of_q[i]) : of_q[i] == expected[i]) << bad << " at " << at;
        ASSERT_TRUE(std::isnan(of_k[i])) << bad << " at " << at;
        ASSERT_TRUE(i % 64 == 17 ? std::isnan(of_v[i]) : of_v[i] == expected[i]) << bad << " at " << at;
      }
    }
  }
}

TEST_P(AttentionKernelTest, EveryNumberOfKeysGivesTheReferencesBits) {
  if (attention_kernel(GetParam(), 128).rows == kAttentionRef.rows) GTEST_SKIP() << "is the reference";
  for (int64_t n = 1; n <= 300; ++n) {
    CaseRandom random({n});
    if (random.left_out()) continue;
    const AttentionCase c = varied(1 + n % 9, n, n % 3 == 0 ? 64 : 32, random);
    ASSERT_TRUE(same_bits(c.run(GetParam()), c.run(Isa::kRef))) << "keys " << n;
  }
}

TEST_P(AttentionKernelTest, EveryHeadSizeGivesTheReferencesBits) {
  if (attention_kernel(GetParam(), 128).rows == kAttentionRef.rows) GTEST_SKIP() << "is the reference";
  for (int64_t d = 1; d <= kMaxAttentionHeadSize; ++d) {
    CaseRandom random({d});
    if (random.left_out()) continue;
    AttentionCase c = varied(7, 140 + d % 11, d, random);
    c.made_q = d & 1;
    c.made_k = d & 2;
    ASSERT_TRUE(same_bits(c.run(GetParam()), c.run(Isa::kRef))) << "d " << d;
  }
}

TEST_P(AttentionKernelTest, EveryNumberOfRowsAndCutGivesTheReferencesBits) {
  if (attention_kernel(GetParam(), 128).rows == kAttentionRef.rows) GTEST_SKIP() << "is the reference";
  for (int64_t m = 1; m <= 150; ++m) {
    CaseRandom random({m});
    if (random.left_out()) continue;
    AttentionCase c = varied(m, 100 + m % 64, 64, random);
    c.made_q = m & 1;
    const std::vector<float> expected = c.run(Isa::kRef);
    ASSERT_TRUE(same_bits(c.run(GetParam()), expected)) << "rows " << m;
    ASSERT_TRUE(same_bits(c.run(GetParam(), 1 + m % 13), expected)) << "rows " << m;
  }
}

TEST(AttentionKernelChoice, AmxWhereTheProcessMayUseIt) {
  const auto chosen_with = [](Isa isa) {
    set_isa_for_testing(isa);
    const auto rows = best_attention_kernel(128).rows;
    reset_isa_for_testing();
    return rows;
  };
  EXPECT_EQ(chosen_with(Isa::kRef), kAttentionRef.rows);
  if (available(Isa::kAvx512Vnni)) {
    EXPECT_EQ(chosen_with(Isa::kAvx512Vnni), kAttentionAvx512Vnni.rows);
  }
  if (available(Isa::kAmx)) {
    EXPECT_EQ(chosen_with(Isa::kAmx), kAttentionAmx.rows);
  } else {
    EXPECT_NE(chosen_with(Isa::kAmx), kAttentionAmx.rows);
  }
}

TEST(AttentionKernelChoice, EveryInstructionSetHasItsOwn) {
  std::vector<void (*)(const Attention&, int64_t, const std::byte*, Range)> kernels;
  for (const Isa isa : {Isa::kRef, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx}) {
    EXPECT_THAT(kernels, testing::Not(testing::Contains(attention_kernel(isa, 128).rows))) << to_string(isa);
    kernels.push_back(attention_kernel(isa, 128).rows);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, AttentionKernelTest,
                         testing::Values(Isa::kRef, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace vqt::cpu
