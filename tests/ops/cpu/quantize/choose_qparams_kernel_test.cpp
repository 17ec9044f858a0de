#include "cpu/quantize/choose_qparams_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "tests/case_random.h"

namespace vqt::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(ValueRange, EqualsTheStandardLibraryOnEveryLength) {
  for (size_t count = 1; count < 200; ++count) {
    CaseRandom random({static_cast<int64_t>(count)});
    if (random.left_out()) continue;
    std::vector<float> x(count);
    for (float& v : x)
      v = std::ldexp(static_cast<float>(random()) - 2e9f, static_cast<int>(random() % 150) - 100);
    const ValueRange range = value_range(x.data(), static_cast<int64_t>(count));
    EXPECT_EQ(range.min, *std::min_element(x.begin(), x.end()));
    EXPECT_EQ(range.max, *std::max_element(x.begin(), x.end()));
    EXPECT_EQ(range.nonfinite, 0);
  }
}

TEST(ValueRange, OneSignAndDenormals) {
  const std::vector<float> negative = {-3.0f, -1e-45f, -3e38f};
  EXPECT_EQ(value_range(negative.data(), 3).min, -3e38f);
  EXPECT_EQ(value_range(negative.data(), 3).max, -1e-45f);
  const std::vector<float> positive = {3.0f, 1e-45f, 3e38f};
  EXPECT_EQ(value_range(positive.data(), 3).min, 1e-45f);
  EXPECT_EQ(value_range(positive.data(), 3).max, 3e38f);
}

TEST(ValueRange, NeighboursInTheLastBit) {
  for (const float v : {-1.0f, 1.0f, -1e-40f, 1e30f}) {
    const std::vector<float> x = {v, std::nextafter(v, kInf), std::nextafter(v, -kInf), v};
    EXPECT_EQ(value_range(x.data(), 4).min, x[2]);
    EXPECT_EQ(value_range(x.data(), 4).max, x[1]);
  }
}

TEST(ValueRange, CountsWhatIsNotFiniteWhereverItStands) {
  for (const float bad : {kNan, -kNan, kInf, -kInf}) {
    for (size_t at = 0; at < 40; ++at) {
      std::vector<float> x(40, 2.0f);
      x[20] = -1.0f;
      x[21] = -1.0f;
      x[at] = bad;
      const ValueRange range = value_range(x.data(), 40);
      EXPECT_EQ(range.nonfinite, 1);
      EXPECT_EQ(range.min, -1.0f);
      EXPECT_EQ(range.max, 2.0f);
    }
  }
}

TEST(ValueRange, NothingFiniteIsAnEmptyRange) {
  const ValueRange none = value_range(nullptr, 0), nan = value_range(&kNan, 1);
  EXPECT_GT(none.min, none.max);
  EXPECT_GT(nan.min, nan.max);
  EXPECT_EQ(merge(none, nan).nonfinite, 1);
  const ValueRange merged = merge({-1, 2, 3}, {-5, 1, 4});
  EXPECT_EQ(merged.min, -5);
  EXPECT_EQ(merged.max, 2);
  EXPECT_EQ(merged.nonfinite, 7);
}

TEST(QparamsOf, ByHand) {
  const auto expect = [](ValueRange range, int64_t bits, bool symmetric, float scale, int32_t zero) {
    const Qparams q = qparams_of(range, bits, symmetric);
    EXPECT_EQ(q.scale, scale) << range.min << ".." << range.max << " " << bits;
    EXPECT_EQ(q.zero, zero) << range.min << ".." << range.max << " " << bits;
  };
  expect({-254, 3, 0}, 8, true, 2, 0);
  expect({-1, 14, 0}, 4, true, 2, 0);
  expect({0, 32767, 0}, 16, true, 1, 0);
  expect({-5, 250, 0}, 8, false, 1, 5);
  expect({5, 510, 0}, 8, false, 2, 0);        // widened to hold 0
  expect({-510, -5, 0}, 8, false, 2, 255);    // widened to hold 0
  expect({-2.5f, 12.5f, 0}, 4, false, 1, 2);  // 2.5 -> 2, half to even
  expect({-3.5f, 11.5f, 0}, 4, false, 1, 4);  // 3.5 -> 4
  expect({0, 0, 0}, 8, true, 1, 0);
  expect({0, 0, 0}, 8, false, 1, 0);
  expect({-1e-45f, 1e-45f, 0}, 8, false, 1, 0);  // (max - min) / 255 is 0
  expect({}, 8, true, 1, 0);
  expect({}, 8, false, 1, 0);
  expect({-3e38f, 3e38f, 0}, 8, false, 3e38f / 255.0f + 3e38f / 255.0f, 128);  // 6e38 is no float
  expect({-1e38f, 3e38f, 0}, 4, false, 3e38f / 15.0f + 1e38f / 15.0f, 4);
}

}  // namespace
}  // namespace vqt::cpu
