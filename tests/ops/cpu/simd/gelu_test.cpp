#include "cpu/simd/gelu.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>

namespace vqt::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

double exact(float x) { return 0.5 * double{x} * std::erfc(-double{x} * std::sqrt(0.5)); }

TEST(Gelu, IsWithinAMillionthOfFloat64) {
  double worst = 0.0;
  for (float x = -8.0f; x < 8.0f; x += 1e-5f) worst = std::max(worst, std::abs(gelu(x) - exact(x)));
  EXPECT_LT(worst, 7e-7);
  EXPECT_GT(worst, 1e-7);  // else the sweep looked at nothing
}

TEST(Gelu, IsExactBeyondTheEnd) {
  for (float x : {kGeluEnd, 6.0f, 100.0f, 3e38f, kInf}) {
    EXPECT_EQ(gelu(x), x);
    if (x < kInf) {
      EXPECT_EQ(gelu(-x), 0.0f);
    }
  }
}

TEST(Gelu, SmallNumbersKeepTheirDigits) {
  for (float x : {1e-3f, 1e-6f, 1e-20f, 1e-38f}) {
    EXPECT_NEAR(gelu(x), exact(x), 1.3e-7 * x);
    EXPECT_NEAR(gelu(-x), exact(-x), 1.3e-7 * x);
  }
}

TEST(Gelu, ZeroKeepsItsSignAndNanStays) {
  EXPECT_FALSE(std::signbit(gelu(0.0f)));
  EXPECT_TRUE(std::signbit(gelu(-0.0f)));
  EXPECT_TRUE(std::isnan(gelu(std::numeric_limits<float>::quiet_NaN())));
  EXPECT_TRUE(std::isnan(gelu(-kInf)));  // -Inf * 0, as torch has it
}

}  // namespace
}  // namespace vqt::cpu
