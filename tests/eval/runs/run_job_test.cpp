#include "eval/runs/run_job.h"

#include <gtest/gtest.h>

namespace vqt {
namespace {

// Three timed forward passes after two for warm-up, as asked for.
std::string note(std::vector<double> ms, double used_by_others) {
  JobResult result;
  result.all_ms = std::move(ms);
  result.ms = result.all_ms[0];
  result.warmup = result.all_ms.size() == 3 ? 2 : 0;
  result.used_by_others = used_by_others;
  return timing_note(result, RunSettings{}).value_or("");
}

TEST(TimingNote, SaysThatTheMachineWasBusy) {
  EXPECT_EQ(note({100, 101, 102}, 0.05), "");
  EXPECT_EQ(
      note({100, 101, 102}, 0.45),
      "the machine was busy: other processes used 45 % of the CPUs while it was timed; measure again on "
      "an idle one");
  EXPECT_EQ(note({31e3}, 0.05), "timed by one forward pass of the scene without warm-up, as it takes 31 s");
  EXPECT_EQ(note({31e3}, 0.45),
            "timed by one forward pass of the scene without warm-up, as it takes 31 s; other processes used "
            "45 % of the CPUs meanwhile");
}

TEST(TimingNote, SaysThatTimesDiffer) {
  EXPECT_EQ(note({100, 151, 100}, 0), "its timed forward passes took from 100 to 151 ms; measure again");
  EXPECT_EQ(note({10, 40, 10}, 0), "");  // short ones vary by themselves
}

TEST(CostOf, KeepsTheShareOfOthers) {
  JobResult result;
  result.ms = 30;
  result.used_by_others = 0.25;
  EXPECT_EQ(cost_of(result, 3).used_by_others, 0.25);
  EXPECT_EQ(cost_of(result, 3).ms_per_image, 10);
}

}  // namespace
}  // namespace vqt
