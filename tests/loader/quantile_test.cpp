// Medians and quantiles by hand.
#include "vqt/quantile.h"

#include <gtest/gtest.h>

#include "vqt/peak_memory.h"

namespace vqt {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity(),
                 kNan = std::numeric_limits<double>::quiet_NaN();

TEST(Median, IsInTheMiddleOrTheMeanOfTheTwoThere) {
  EXPECT_EQ(median<double>({7}), 7);
  EXPECT_EQ(median<double>({3, 1, 2}), 2);
  EXPECT_EQ(median<double>({4, 1, 3, 2}), 2.5);
  EXPECT_EQ(median<float>({10, -10}), 0);
  EXPECT_EQ(median<int>({1, 2}), 1.5);
}

TEST(Quantile, IsLinearBetweenNeighbours) {  // numpy.quantile([1, 2, 4, 8, 16], q)
  const std::vector<double> values = {16, 4, 1, 8, 2};
  EXPECT_EQ(quantile(values, 0), 1);
  EXPECT_EQ(quantile(values, 1), 16);
  EXPECT_EQ(quantile(values, 0.25), 2);
  EXPECT_DOUBLE_EQ(quantile(values, 0.3), 2.4);
  EXPECT_DOUBLE_EQ(quantile(values, 0.9), 12.8);
  EXPECT_EQ(quantile<double>({5, 5}, 0.3), 5);
}

TEST(Quantile, OfNothingOrWithNanIsNan) {
  EXPECT_TRUE(std::isnan(median<double>({})));
  EXPECT_TRUE(std::isnan(median<double>({1, kNan, 3})));
  EXPECT_TRUE(std::isnan(quantile<double>({1, 2, kNan}, 0)));
}

TEST(Quantile, OfInfinitiesIsNotNan) {  // SQNR of exact weights
  EXPECT_EQ(median<double>({kInf, kInf}), kInf);
  EXPECT_EQ(median<double>({1, kInf}), kInf);
  EXPECT_EQ(median<double>({1, 2, kInf, kInf, 3}), 3);
}

TEST(PeakMemory, RemembersWhatWasFreed) {
  constexpr size_t kBytes = size_t{96} << 20;
  const int64_t before = peak_memory_bytes();
  { const std::vector<char> block(kBytes, 1); }
  EXPECT_GE(peak_memory_bytes(), static_cast<int64_t>(kBytes));
  EXPECT_GE(peak_memory_bytes(), before);
  EXPECT_LT(peak_memory_bytes(), before + 2 * static_cast<int64_t>(kBytes));
}

}  // namespace
}  // namespace vqt
