// Who wins what, from made-up results.
#include "eval/compare/best_models.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "tests/eval/made_up_models.h"

namespace vqt {
namespace {
using testing::HasSubstr;

std::map<std::string, BestModel> by_goal(const EvalReport& r) {
  std::map<std::string, BestModel> found;
  for (const BestModel& w : best_models(r)) found[w.goal] = w;
  return found;
}

TEST(BestModels, EveryGoalHasItsOwn) {
  const auto w = by_goal(report({model("exact", 60, 40000000, 80), model("small", 20, 10000000, 90),
                                 model("fast", 40, 39000000, 25), model("middle", 55, 20000000, 40)}));
  EXPECT_EQ(w.at("accuracy").model, "exact");
  EXPECT_THAT(w.at("accuracy").why, HasSubstr("lowest PSNR 60.0 dB (output depth)"));
  EXPECT_EQ(w.at("size").model, "small");
  EXPECT_EQ(w.at("size").why, "10.0 MB, 10.00x smaller than the float model");
  EXPECT_EQ(w.at("speed").model, "fast");
  EXPECT_EQ(w.at("speed").why, "25.0 ms per image, 4.00x faster than the float model");
}

TEST(BestModels, SayWhatIsNoGainAndWhoIsAsGood) {
  const auto w = by_goal(report({model("a", 50, 200000000, 125), model("b", 49.8, 201000000, 127)}));
  EXPECT_EQ(w.at("size").why, "200 MB, 2.00x larger than the float model; b is within 1 %");
  EXPECT_EQ(
      w.at("speed").why,
      "125 ms per image, 1.25x slower than the float model; b is as fast within the spread of the runs");
  EXPECT_THAT(w.at("accuracy").why, HasSubstr("; b is within 0.5 dB"));
}

TEST(BestModels, EqualOutputsAreTheMostAccurate) {
  ModelResult same = model("same", 0, 100000000, 100);
  for (auto& [path, m] : same.outputs) {
    m.psnr_db.reset();
    m.equal = true;
  }
  const auto w = by_goal(report({model("near", 90, 50000000, 50), same}));
  EXPECT_EQ(w.at("accuracy").model, "same");
  EXPECT_EQ(w.at("accuracy").why, "all outputs equal the float model's");
}

TEST(BestModels, ModelsWithNanAreNotRanked) {
  ModelResult broken = model("broken", 90, 10, 1);
  broken.outputs[0].second.nonfinite = 3;
  for (const BestModel& w : best_models(report({broken, model("sound", 20, 1000000, 10)})))
    EXPECT_EQ(w.model, "sound");
  broken.outputs[0].second.nonfinite_in_reference = 3;  // the float model's own
  EXPECT_EQ(by_goal(report({broken, model("sound", 20, 1000000, 10)})).at("speed").model, "broken");
}

TEST(BestModels, TimesThatOverlapAreEqual) {
  ModelResult fast = model("fast", 50, 2000000, 30), other = model("other", 50, 1000000, 40);
  fast.cost.all_ms = {29, 30, 45};
  other.cost.all_ms = {39, 40, 41};
  EvalReport r = report({fast, other});
  r.reference.cost.all_ms = {99, 100, 101};
  EXPECT_EQ(
      by_goal(r).at("speed").why,
      "30.0 ms per image, 3.33x faster than the float model; other is as fast within the spread of the runs");
  r.models[0].cost.all_ms = {29, 30, 31};
  EXPECT_EQ(by_goal(r).at("speed").why, "30.0 ms per image, 3.33x faster than the float model");
  r.reference.cost.all_ms = {30, 100, 101};  // the machine was busy
  EXPECT_EQ(by_goal(r).at("speed").why,
            "30.0 ms per image, as fast as the float model within the spread of the runs");
}

TEST(BestModels, OneModelHasNoRival) { EXPECT_TRUE(best_models(report({model("a", 50, 1, 1)})).empty()); }

}  // namespace
}  // namespace vqt
