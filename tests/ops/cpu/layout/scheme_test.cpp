// vqt/scheme.h and vqt/packing.h: names, how many scales, how deep the sums.
#include "vqt/scheme.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>

#include "vqt/packing.h"

namespace vqt {
namespace {

constexpr Scheme tensor(int64_t bits, bool symmetric) {
  return {bits, symmetric, Granularity::kPerTensor, 0};
}
constexpr Scheme channel(int64_t bits, bool symmetric) {
  return {bits, symmetric, Granularity::kPerChannel, 0};
}
constexpr Scheme groups(int64_t bits, bool symmetric, int64_t size) {
  return {bits, symmetric, Granularity::kGroup, size};
}

TEST(Scheme, NamesGoBothWays) {
  for (const Granularity g : {Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kGroup}) {
    EXPECT_EQ(granularity_from(to_string(g)), g);
  }
  for (const ActivationMode a : {ActivationMode::kDynamic, ActivationMode::kStatic, ActivationMode::kNone}) {
    EXPECT_EQ(activation_mode_from(to_string(a)), a);
  }
  try {
    granularity_from("row");
    FAIL() << "no error";
  } catch (const std::invalid_argument& error) {
    EXPECT_STREQ(error.what(), "granularity: expected one of per_tensor, per_channel, group, got \"row\"");
  }
}

TEST(Scheme, Shorthand) {
  EXPECT_EQ(shorthand(channel(8, true), ActivationMode::kDynamic), "w8a8");
  EXPECT_EQ(shorthand(groups(4, true, 128), ActivationMode::kStatic), "w4a8-g128");
  EXPECT_EQ(shorthand(groups(4, false, 64), ActivationMode::kNone), "w4a16-g64");
  EXPECT_EQ(shorthand(groups(4, false, -1), ActivationMode::kDynamic), "w4a8-row");
  EXPECT_EQ(shorthand(tensor(16, true), ActivationMode::kDynamic), "w16a16");
}

TEST(Scheme, ScalesOfAWeight) {
  const struct {
    Scheme scheme;
    int64_t n, k, scales, run;
  } cases[] = {
      {tensor(8, true), 5, 96, 1, 480},
      {tensor(4, false), 0, 96, 1, 0},  // one scale even where there is nothing to scale
      {channel(8, false), 5, 96, 5, 96},
      {channel(16, true), 0, 96, 0, 96},
      {channel(4, true), 5, 0, 5, 0},
      {groups(4, true, -1), 5, 96, 5, 96},
      {groups(4, true, 96), 5, 96, 5, 96},
      {groups(4, true, 32), 5, 96, 15, 32},
      {groups(4, false, 64), 5, 96, 10, 64},    // 64 and 32 of each row
      {groups(8, true, 7), 5, 96, 70, 7},       // 96 = 13 * 7 + 5
      {groups(4, true, 1000), 5, 96, 5, 1000},  // one group, longer than a row
      {groups(4, true, 32), 0, 96, 0, 32},
      {groups(4, true, 128), 1 << 20, 1 << 20, int64_t{1} << 33, 128},  // beyond 32 bits
  };
  for (const auto& c : cases) {
    const std::string what = shorthand(c.scheme, ActivationMode::kNone) + " of " + std::to_string(c.n) +
                             " x " + std::to_string(c.k);
    EXPECT_EQ(scale_count(c.n, c.k, c.scheme), c.scales) << what;
    EXPECT_EQ(values_per_scale(c.n, c.k, c.scheme), c.run) << what;
  }
}

// Whether a linear's sums stay exact, at the deepest sum that int32 holds and one beyond:
// 65793 * 255 * 128, 33025 * 255 * 255 and 561433 * 255 * 15 fit 2^31 - 1, one product more does not.
TEST(SumDepth, Limits) {
  const auto exact = [](int64_t k, const Scheme& scheme,
                        ActivationMode activation = ActivationMode::kDynamic) {
    return sum_depth(k, scheme, has_fast_layout(k, scheme), activation).exact();
  };
  for (const auto& make : {tensor, channel}) {
    EXPECT_TRUE(exact(65793, make(8, true)));
    EXPECT_FALSE(exact(65794, make(8, true)));
    EXPECT_TRUE(exact(33025, make(8, false)));
    EXPECT_FALSE(exact(33026, make(8, false)));
    for (const bool symmetric : {true, false}) {
      EXPECT_TRUE(exact(561433, make(4, symmetric)));
      EXPECT_FALSE(exact(561434, make(4, symmetric)));
    }
  }
  EXPECT_TRUE(exact(65793, groups(8, true, -1)));
  EXPECT_FALSE(exact(65794, groups(8, true, -1)));
  for (const bool symmetric : {true, false}) {
    EXPECT_TRUE(exact(561433, groups(4, symmetric, -1)));
    EXPECT_FALSE(exact(561434, groups(4, symmetric, -1)));
    EXPECT_FALSE(exact(561440, groups(4, symmetric, 561440)));     // one group per row by another name
    EXPECT_TRUE(exact(2 * 561432, groups(4, symmetric, 561432)));  // each group has a sum of its own
    EXPECT_FALSE(exact(2 * 561440, groups(4, symmetric, 561440)));
    EXPECT_TRUE(exact(561472, groups(4, symmetric, 64)));
    EXPECT_TRUE(exact(int64_t{1} << 30, groups(4, symmetric, 64)));
  }
}

TEST(SumDepth, OnlyInt32SumsHaveALimit) {
  const int64_t deep = int64_t{1} << 30;
  EXPECT_FALSE(sum_depth(deep, channel(8, true), true, ActivationMode::kStatic).exact());
  EXPECT_TRUE(sum_depth(deep, channel(8, true), true, ActivationMode::kNone).exact());
  EXPECT_TRUE(sum_depth(deep, channel(8, true), false, ActivationMode::kStatic).exact());
  EXPECT_TRUE(sum_depth(deep, channel(4, true), false, ActivationMode::kDynamic).exact());
}

// One formula for the three numbers, against the definition.
TEST(SumDepth, TheLimitIsTheLargestThatFits) {
  const auto limit = [](const Scheme& s) {
    return sum_depth(8, s, has_fast_layout(8, s), ActivationMode::kDynamic).limit;
  };
  const std::pair<Scheme, int64_t> products[] = {{channel(8, true), 255 * 128},
                                                 {channel(8, false), 255 * 255},
                                                 {channel(4, true), 255 * 15},
                                                 {channel(4, false), 255 * 15}};
  for (const auto& [scheme, product] : products) {
    EXPECT_LE(limit(scheme) * product, INT32_MAX);
    EXPECT_GT((limit(scheme) + 1) * product, INT32_MAX);
  }
}

}  // namespace
}  // namespace vqt
