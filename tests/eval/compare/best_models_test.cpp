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
using testing::Not;

EvalReport report(std::vector<ModelResult> models) {
  EvalReport r;
  r.reference.cost.size_bytes = 100000000;
  r.reference.cost.ms_per_image = 100;
  r.models = std::move(models);
  return r;
}

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
  EXPECT_EQ(w.at("balance").model, "middle");
  // (55 - 20) / 40; log(40 / 20) / log(4); log(90 / 40) / log(90 / 25)
  EXPECT_THAT(w.at("balance").why, HasSubstr("accuracy 88, size 50, speed 63"));
}

TEST(BestModels, BalanceIsNotWonByTheWorstOfAll) {
  // Smallest and fastest, but 0 of 100 in accuracy: its mean is the highest, its lowest is not.
  const auto w = by_goal(report(
      {model("exact", 52, 40000000, 80), model("rough", 28, 27000000, 50), model("even", 49, 38000000, 75)}));
  EXPECT_EQ(w.at("size").model, "rough");
  EXPECT_EQ(w.at("speed").model, "rough");
  EXPECT_EQ(w.at("balance").model, "even");
}

TEST(BestModels, SayWhatIsNoGainAndWhoIsAsGood) {
  const auto w = by_goal(report({model("a", 50, 200000000, 125), model("b", 49.8, 201000000, 127)}));
  EXPECT_EQ(w.at("size").why, "200 MB, 2.00x larger than the float model; b is within 1 %");
  EXPECT_EQ(w.at("speed").why, "125 ms per image, 1.25x slower than the float model; b is within 3 %");
  EXPECT_THAT(w.at("accuracy").why, HasSubstr("; b is within 0.5 dB"));
  EXPECT_EQ(w.count("balance"), 0u);  // nothing differs
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
  EXPECT_EQ(w.at("balance").model, "near");
}

TEST(BestModels, ModelsWithNanAreNotRanked) {
  ModelResult broken = model("broken", 90, 10, 1);
  broken.outputs[0].second.nonfinite = 3;
  for (const BestModel& w : best_models(report({broken, model("sound", 20, 1000000, 10)})))
    EXPECT_EQ(w.model, "sound");
  broken.outputs[0].second.nonfinite_in_reference = 3;  // the float model's own
  EXPECT_EQ(by_goal(report({broken, model("sound", 20, 1000000, 10)})).at("speed").model, "broken");
}

TEST(BestModels, GroundTruthHasGoalsOfItsOwn) {
  EvalReport r = report({model("a", 50, 1000000, 10), model("b", 40, 1000000, 10)});
  EXPECT_EQ(by_goal(r).count("poses"), 0u);
  const auto scores = [](double auc, double abs_rel) {
    TruthScores s;
    for (size_t i = 0; i < kTruthMetrics.size(); ++i) {
      if (std::string(kTruthMetrics[i].key) == "auc_30") s.metrics[i].value = auc;
      if (std::string(kTruthMetrics[i].key) == "abs_rel") s.metrics[i].value = abs_rel;
    }
    return s;
  };
  r.reference.truth = scores(90, 0.05);
  r.models[0].truth = scores(80, 0.06);
  r.models[1].truth = scores(85, 0.07);
  const auto w = by_goal(r);
  EXPECT_EQ(w.at("poses").model, "b");
  EXPECT_EQ(w.at("poses").why, "AUC@30 85.0 %; the float model: AUC@30 90.0 %");
  EXPECT_EQ(w.at("depth").model, "a");
  EXPECT_EQ(w.at("depth").why, "AbsRel 0.0600; the float model: AbsRel 0.0500");
}

TEST(BestModels, OneModelHasNoRival) { EXPECT_TRUE(best_models(report({model("a", 50, 1, 1)})).empty()); }

}  // namespace
}  // namespace vqt
