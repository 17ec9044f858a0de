#include "passes/calibration/speed_guard.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "passes/calibration/interleaved_times.h"

namespace vqt {
namespace {

using testing::ElementsAre;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct Case {
  double ms_float, ms_quantized;
  int64_t tied = -1;
  bool keep_float = false;
};

// The reasons of all sites after the guard; "quantized" where there is none.
std::vector<std::string> guarded(const std::vector<Case>& cases) {
  std::vector<SiteInfo> sites(cases.size());
  std::vector<MeasuredSite> measured(cases.size());
  std::vector<PlannedSite> plan(cases.size());
  for (size_t i = 0; i < cases.size(); ++i) {
    sites[i].tied = cases[i].tied;
    measured[i] = {40.0, cases[i].ms_float, cases[i].ms_quantized};
    plan[i].keep_float = cases[i].keep_float;
    plan[i].reason = cases[i].keep_float ? "first site" : "";
  }
  keep_slower_float(sites, measured, plan);
  std::vector<std::string> reasons;
  for (const PlannedSite& p : plan) reasons.push_back(p.keep_float ? p.reason : "quantized");
  return reasons;
}

TEST(SpeedGuard, ASlowerSiteStaysFloatAndTheReasonHoldsBothTimes) {
  EXPECT_THAT(
      guarded({{1.02, 1.21}, {1.02, 1.02}, {1.02, 0.4}, {123.4, 1234.5}, {0.01234, 0.5678}, {12.34, 56.78}}),
      ElementsAre("slower than float here: 1.21 ms against 1.02 ms", "quantized", "quantized",
                  "slower than float here: 1234 ms against 123 ms",
                  "slower than float here: 0.568 ms against 0.0123 ms",
                  "slower than float here: 56.8 ms against 12.3 ms"));
}

TEST(SpeedGuard, WhatTheInputDidNotReachStaysPlanned) {
  EXPECT_THAT(
      guarded({{kNan, kNan}, {1, 2}, {kNan, kNan, 0}, {kNan, kNan, 0}}),
      ElementsAre("quantized", "slower than float here: 2.00 ms against 1.00 ms", "quantized", "quantized"));
}

TEST(SpeedGuard, WhatIsKeptFloatForAnotherReasonKeepsThatReason) {
  EXPECT_THAT(guarded({{1, 2, -1, true}, {kNan, kNan, 3, true}, {kNan, kNan, 3, true}}),
              ElementsAre("first site", "first site", "first site"));
}

TEST(SpeedGuard, SitesThatShareAWeightStayOrGoTogether) {
  const std::string slower =
      "slower than float here: 5.00 ms against 4.00 ms, summed over all layers with its weight";
  // the sum decides: 2 + 3 ms against 3 + 1; a third one that was not reached goes with them
  EXPECT_THAT(guarded({{3, 2, 7}, {1, 3, 7}, {kNan, kNan, 7}}), ElementsAre(slower, slower, slower));
  EXPECT_THAT(guarded({{3, 2, 7}, {1, 1.5, 7}}), ElementsAre("quantized", "quantized"));
  EXPECT_THAT(
      guarded({{3, 2, 7}, {1, 3, 8}}),
      ElementsAre("quantized",
                  "slower than float here: 3.00 ms against 1.00 ms, summed over all layers with its weight"));
}

// Work that moves a clock of its own.
struct Script {
  std::vector<double> first, second;
  double now = 0.0;
  std::string order = {};

  Times run() {
    size_t a = 0, b = 0;
    return interleaved_times([&] { now += first[a++], order += 'a'; },
                             [&] { now += second[b++], order += 'b'; }, [&] { now += 1000.0, order += '.'; },
                             [&] { return now; });
  }
};

TEST(InterleavedTimes, TakeTurnsAndGiveTheLeastWithoutTheWarmUp) {
  Script script{{1, 9, 7, 8, 9, 9}, {2, 5, 6, 4, 5, 6}};
  const Times times = script.run();
  EXPECT_EQ(times.first, 7.0);
  EXPECT_EQ(times.second, 4.0);
  EXPECT_EQ(script.order, "ab.a.b.a.b.a.b.a.b.a.b");
}

TEST(InterleavedTimes, StopAfterHalfASecondButNotBeforeTheSecondTurn) {
  Script slow{{0, 600, 500}, {0, 700, 800}};
  const Times times = slow.run();
  EXPECT_EQ(times.first, 500.0);
  EXPECT_EQ(times.second, 700.0);
  EXPECT_EQ(slow.order, "ab.a.b.a.b");
  Script middling{{0, 100, 100, 100}, {0, 80, 80, 80}};
  middling.run();
  EXPECT_EQ(middling.order, "ab.a.b.a.b.a.b");
}

}  // namespace
}  // namespace vqt
