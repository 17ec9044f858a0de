// Which of some made-up models no other beats, worked by hand.
#include "eval/compare/pareto.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/eval/made_up_models.h"

namespace vqt {
namespace {
using testing::ElementsAre;

std::vector<std::string> front(const std::vector<ModelResult>& models) {
  EvalReport r;
  r.models = models;
  std::vector<std::string> names;
  const std::vector<bool> on = pareto_front(r);
  for (size_t i = 0; i < on.size(); ++i) {
    if (on[i]) names.push_back(models[i].name);
  }
  return names;
}

TEST(ParetoFront, OneModelIsOnIt) { EXPECT_THAT(front({model("a", 50, 100, 10)}), ElementsAre("a")); }

TEST(ParetoFront, EachThatIsBestAtSomething) {
  EXPECT_THAT(front({model("exact", 60, 4000, 80), model("small", 20, 1000, 90), model("fast", 30, 4000, 20),
                     model("worse", 30, 4000, 40),        // than fast, in time
                     model("middle", 40, 2000, 50),       // best at nothing, beaten by none
                     model("pointless", 39, 2100, 50)}),  // than middle, in two
              ElementsAre("exact", "small", "fast", "middle"));
}

TEST(ParetoFront, EqualModelsAreBothOnIt) {
  EXPECT_THAT(front({model("a", 50, 1000, 10), model("b", 50, 1000, 10)}), ElementsAre("a", "b"));
}

TEST(ParetoFront, SizesWithinOnePercentAndTimesWithinThreeAreEqual) {
  // 2.9 % slower and 0.9 % larger for 0.1 dB
  EXPECT_THAT(front({model("a", 50, 100000, 100), model("b", 50.1, 100900, 102.9)}), ElementsAre("b"));
  EXPECT_THAT(front({model("a", 50, 100000, 100), model("b", 50.1, 101100, 100)}), ElementsAre("a", "b"));
  EXPECT_THAT(front({model("a", 50, 100000, 100), model("b", 50.1, 100000, 103.2)}), ElementsAre("a", "b"));
  EXPECT_THAT(front({model("a", 50, 100000, 100), model("b", 50, 101100, 100)}), ElementsAre("a"));
  EXPECT_THAT(front({model("a", 50, 100000, 100), model("b", 50, 100900, 102.9)}), ElementsAre("a", "b"));
}

TEST(ParetoFront, WithinIsNotTransitiveAndStillSomeModelIsLeft) {
  // a beats b in time; b beats c in size, c is as fast as either; c does not beat a
  EXPECT_THAT(front({model("a", 50, 100000, 100), model("b", 50, 99500, 104.5), model("c", 50, 100800, 102)}),
              ElementsAre("a"));
}

TEST(ParetoFront, OutputsThatAreEqualAreTheMostAccurate) {
  ModelResult same = model("same", 0, 5000, 100);
  for (auto& [path, m] : same.outputs) {
    m.psnr_db.reset();
    m.equal = true;
  }
  EXPECT_THAT(front({model("near", 90, 5000, 100), same}), ElementsAre("same"));
  EXPECT_THAT(front({same, same}).size(), 2u);
}

TEST(ParetoFront, NanIsNotOnItAndPushesNoneOff) {
  ModelResult broken = model("broken", 90, 10, 1);
  broken.outputs[0].second.nonfinite = 3;
  EXPECT_THAT(front({broken, model("sound", 20, 1000, 10)}), ElementsAre("sound"));
  EXPECT_THAT(front({broken}), ElementsAre("broken"));
}

TEST(Featured, AreWinnersThenTheFrontThenTheOthers) {
  EvalReport r;
  r.reference.cost.size_bytes = 9000;
  r.reference.cost.ms_per_image = 100;
  // On the front beside the winners of accuracy, size and speed: middle, which is also the one to take, and near.
  r.models = {model("other", 30, 4000, 40),  model("exact", 60, 4000, 80), model("small", 20, 1000, 90),
              model("near", 55, 3000, 75),   model("fast", 30, 4000, 20),  model("middle", 40, 2000, 50),
              model("another", 29, 4000, 41)};
  EXPECT_THAT(highlighted(r, 4), ElementsAre("exact", "small", "fast", "middle"));
  EXPECT_THAT(highlighted(r, 5), ElementsAre("exact", "small", "near", "fast", "middle"));
  EXPECT_THAT(highlighted(r, 6), ElementsAre("other", "exact", "small", "near", "fast", "middle"));
  EXPECT_THAT(highlighted(r, 9).size(), 7u);
  EXPECT_THAT(highlighted(EvalReport(), 9).size(), 0u);
}

}  // namespace
}  // namespace vqt
