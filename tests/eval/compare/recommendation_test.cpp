// Which of some made-up models to take, and what ground truth says of them.
#include "eval/compare/recommendation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/compare/truth_changes.h"
#include "tests/eval/made_up_models.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Recommendation of(const EvalReport& r) { return recommendation(r).value(); }

// A difference from the float model and the interval of it, on some images.
struct Change {
  double difference, low, high;
  bool significant;
};
TruthScores scores(const Change& auc_30, const Change& abs_rel, int64_t pictures = 8) {
  TruthScores s;
  s.pictures = pictures;
  s.pairs = pictures * (pictures - 1) / 2;
  for (size_t i = 0; i < kTruthMetrics.size(); ++i) {
    const std::string key = kTruthMetrics[i].key;
    if (key != "auc_30" && key != "abs_rel") continue;
    const Change& c = key == "auc_30" ? auc_30 : abs_rel;
    s.metrics[i].value = (key == "auc_30" ? 60 : 0.05) + c.difference;
    s.metrics[i].difference = c.difference;
    s.metrics[i].difference_interval = {c.low, c.high};
    s.metrics[i].significant = c.significant;
  }
  return s;
}
constexpr Change kNone = {0.001, -0.002, 0.003, false};

TEST(Recommendation, IsTheSmallestThatKeepsTheOutputs) {
  const Recommendation taken = of(report({model("exact", 95, 50000000, 90), model("good", 46, 30000000, 50),
                                          model("rough", 34.9, 20000000, 40)}));
  EXPECT_EQ(taken.model, "good");
  EXPECT_EQ(taken.why, "3.33x smaller, 2.00x faster, worst output 46.0 dB (depth)");
}

TEST(Recommendation, OfTheEquallySmallItIsTheMostAccurate) {
  EXPECT_EQ(of(report({model("a", 47, 32900000, 50), model("b", 46, 30000000, 40)})).model, "a");
  EXPECT_EQ(of(report({model("a", 47, 33100000, 50), model("b", 46, 30000000, 40)})).model, "b");
}

TEST(Recommendation, OfTheEquallyAccurateItIsTheFastest) {
  EXPECT_EQ(of(report({model("a", 47, 30000000, 50), model("b", 46.6, 30000000, 40)})).model, "b");
  EXPECT_EQ(of(report({model("a", 47, 30000000, 50), model("b", 46.4, 30000000, 40)})).model, "a");
}

TEST(Recommendation, SlowerModelsAreNotTakenUnlessTheirTimesOverlap) {
  EvalReport r = report({model("slow", 50, 20000000, 120), model("fast", 50, 40000000, 60)});
  EXPECT_EQ(of(r).model, "fast");
  r.models[0].cost.all_ms = {90, 120, 130};
  r.reference.cost.all_ms = {80, 100, 110};
  EXPECT_EQ(of(r).model, "slow");
  EXPECT_THAT(of(r).why, HasSubstr("5.00x smaller, as fast, worst"));
}

TEST(Recommendation, WithoutAModelToTakeItSaysWhyAndWhatToTry) {
  const auto why = [](ModelResult m) {
    const Recommendation none = of(report({std::move(m)}));
    EXPECT_EQ(none.model, "");
    return none.why;
  };
  EXPECT_EQ(
      why(model("rough", 28.6, 10000000, 50)),
      "no model to take; the closest to float, `rough`: worst output 28.6 dB (depth), less than 35 dB; try more "
      "bits (--preset int16) or fewer layers (--progressive --limit psnr=35)");
  EXPECT_THAT(why(model("slow", 50, 10000000, 150)),
              HasSubstr("`slow`: 1.50x slower than the float model here; vqt-quantize --speed-guard"));
  EXPECT_THAT(why(model("same", 50, 100000000, 50)), HasSubstr("`same`: not smaller than the float model"));
  ModelResult broken = model("broken", 50, 10000000, 50);
  broken.outputs[0].second.nonfinite = 1;
  EXPECT_THAT(why(broken), HasSubstr("`broken`: returns NaN or Inf where the float model does not"));
}

TEST(Recommendation, EqualOutputsAreGoodEnough) {
  ModelResult same = model("same", 0, 50000000, 100);
  for (auto& [path, m] : same.outputs) {
    m.psnr_db.reset();
    m.equal = true;
  }
  EXPECT_EQ(of(report({same})).why, "2.00x smaller, as fast, all outputs equal");
}

TEST(Recommendation, IsUnsetWithoutModelsAndWhereLimitsDecide) {
  EvalReport r = report({});
  EXPECT_FALSE(recommendation(r).has_value());
  r.models = {model("a", 50, 10000000, 50)};
  EXPECT_TRUE(recommendation(r).has_value());
  r.progressive.emplace();
  EXPECT_FALSE(recommendation(r).has_value());
}

TEST(Recommendation, ModelsThatAreSignificantlyWorseAreNotTaken) {
  EvalReport r = report({model("small", 45, 20000000, 50), model("large", 45, 40000000, 50)});
  r.models[0].truth = scores({-4, -6, -2, true}, kNone);
  r.models[1].truth = scores(kNone, kNone);
  EXPECT_EQ(of(r).model, "large");
  EXPECT_THAT(of(r).why, HasSubstr("(depth), no significant change of poses or depth"));
  r.models[0].truth = scores(kNone, {0.004, 0.001, 0.006, true});  // AbsRel: more is worse
  EXPECT_EQ(of(r).model, "large");
  r.models[0].truth = scores({4, 2, 6, true}, kNone);
  EXPECT_EQ(of(r).model, "small");
  EXPECT_THAT(of(r).why, HasSubstr("(depth), poses better, no significant change of depth"));
  r.models[0].truth = scores({-4, -6, -2, false}, kNone, 4);
  EXPECT_EQ(of(r).model, "small");
  EXPECT_THAT(of(r).why, HasSubstr("(depth), too few images to tell a change of poses or depth"));
}

TEST(TruthChanges, NameModelsOnlyWhereTheDifferenceIsSignificant) {
  EvalReport r = report({model("a", 50, 1000000, 10), model("b", 40, 1000000, 10)});
  EXPECT_THAT(truth_changes(r), IsEmpty());
  r.models[0].truth = scores({8, -3, 20, false}, kNone, 6);
  r.models[1].truth = scores({-2, -9, 4, false}, {0.01, 0.004, 0.02, true}, 6);
  const std::vector<TruthChange> changes = truth_changes(r);
  ASSERT_EQ(changes.size(), 2u);
  EXPECT_EQ(changes[0].goal, "poses");
  EXPECT_EQ(changes[0].why, "no significant difference (15 pairs)");
  EXPECT_THAT(changes[0].better, IsEmpty());
  EXPECT_THAT(changes[0].worse, IsEmpty());
  EXPECT_EQ(changes[1].goal, "depth");
  EXPECT_THAT(changes[1].worse, ElementsAre("b"));
  EXPECT_EQ(
      changes[1].why,
      "worse: b: AbsRel 0.0600 (float model 0.0500, 95 % of the difference: +0.0040 to +0.0200); others: no "
      "significant difference (6 images)");
}

TEST(TruthChanges, FewImagesAreSaidToBeTooFew) {
  EvalReport r = report({model("a", 50, 1000000, 10)});
  r.models[0].truth = scores({8, 3, 20, false}, kNone, 4);
  EXPECT_EQ(truth_changes(r)[0].why,
            "no significant difference (6 pairs); 4 images are too few to find one, 6 are the least");
}

}  // namespace
}  // namespace vqt
