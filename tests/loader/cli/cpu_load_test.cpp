#include "loader/cli/cpu_load.h"

#include <gtest/gtest.h>

#include <ctime>

namespace vqt::cli {
namespace {

// 100 ticks a second; the sum of both CPUs, then each. guest, the ninth number, is part of user.
constexpr const char* kBefore = R"(cpu  1000 200 300 4000 500 60 70 80 900 0
cpu0 400 100 100 2000 300 30 40 50 300 0
cpu1 600 100 200 2000 200 30 30 30 600 0
cpu10 9 9 9 9 9 9 9 9 9 9
intr 12345 0 0
)";
// cpu0: 100 user, 20 nice, 10 system, 40 idle, 10 iowait, 5 irq, 5 softirq, 10 steal; cpu1: 200 idle
constexpr const char* kAfter = R"(cpu  0 0 0 0 0 0 0 0 0 0
cpu0 500 120 110 2040 310 35 45 60 999 0
cpu1 600 100 200 2200 200 30 30 30 999 0
cpu10 99 99 99 99 99 99 99 99 99 99
)";

double others(const std::vector<int>& cpus, double own) {
  const CpuTimes before = cpu_times(kBefore, cpus, 100);
  CpuTimes after = cpu_times(kAfter, cpus, 100);
  after.own = before.own + own;
  return used_by_others(before, after);
}

TEST(CpuLoad, CountsTheCpusOfThisProcess) {
  const CpuTimes both = cpu_times(kBefore, {0, 1}, 100);
  EXPECT_DOUBLE_EQ(both.all, 62.1);
  EXPECT_DOUBLE_EQ(both.used, 17.1);
  EXPECT_EQ(cpu_times(kBefore, {7}, 100).all, 0);
  EXPECT_EQ(cpu_times("", {0, 1}, 100).all, 0);
}

TEST(CpuLoad, WhatIsNeitherOwnNorIdleIsOthers) {
  EXPECT_NEAR(others({0, 1}, 0), 0.375, 1e-9);           // 1.5 of 4 s
  EXPECT_NEAR(others({0, 1}, 1.1), 0.1, 1e-9);           // 0.4 of 4 s
  EXPECT_NEAR(others({0}, 1.1), 0.2, 1e-9);              // 0.4 of 2 s
  EXPECT_EQ(others({1}, 0), 0);                          // idle
  EXPECT_EQ(others({0, 1}, 1.6), 0);                     // ticks are coarse: never below 0
  EXPECT_EQ(used_by_others(CpuTimes{}, CpuTimes{}), 0);  // no /proc/stat
}

TEST(CpuLoad, BusyFromATenthOn) {
  EXPECT_EQ(busy_text(0.099), "");
  EXPECT_EQ(busy_text(0.446), "other processes used 45 % of the CPUs");
}

TEST(CpuLoad, ReadsThisSystem) {
  const CpuTimes before = cpu_times_now();
  EXPECT_GT(before.all, 0);
  EXPECT_GE(before.all, before.used);
  const std::clock_t start = std::clock();  // CPU time, not the clock's: other processes do not disturb it
  while (std::clock() - start < CLOCKS_PER_SEC / 50) continue;
  EXPECT_GE(cpu_times_now().own - before.own, 0.019);
}

}  // namespace
}  // namespace vqt::cli
