// Which steps are tried and taken, with a network whose noise is known.
#include "eval/search/progressive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>

#include "eval/compare/accuracy_limit.h"
#include "tests/eval/made_up_models.h"
#include "vqt/plan.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using Words = std::vector<std::string>;

// One layer a group: bytes in float, noise power that 8 and 4 bits bring to the output. 100 kB are no layers.
struct MadeUpLayer {
  const char* name;
  int64_t bytes;
  double noise8, noise4;
};

struct Network {
  std::vector<MadeUpLayer> layers = {{"enc.w", 40000, 1e-5, 9e-4},
                                     {"mid.w", 30000, 1e-5, 1e-4},
                                     {"dec.w", 20000, 1e-5, 2e-4},
                                     {"out.w", 10000, 1e-5, 6e-4}};
  double auc = 80;                     // of the float model
  std::map<std::string, double> loss;  // of AUC@30 where the layer is in 4 bits
  std::map<std::string, Words> schemes;
  ModelResult result;

  ReferenceResult reference() const {
    ReferenceResult r;
    r.cost.size_bytes = 200000;
    r.truth.emplace().metrics[3].value = auc;
    return r;
  }

  const ModelResult& run(const Trial& trial) {
    double noise = 0, score = auc;
    int64_t bytes = 100000;
    Json table = Json::array();
    for (const MadeUpLayer& layer : layers) {
      const auto in = [&](const Words& patterns) {
        return std::any_of(patterns.begin(), patterns.end(),
                           [&](const auto& p) { return matches(p, layer.name); });
      };
      const bool four = in(trial.int4), keep = in(trial.keep_float);
      EXPECT_FALSE(four && keep) << layer.name;
      noise += keep ? 0 : four ? layer.noise4 : layer.noise8;
      bytes += keep ? layer.bytes : four ? layer.bytes / 8 : layer.bytes / 4;
      if (four && loss.count(layer.name)) score -= loss[layer.name];
      schemes[trial.name].push_back(keep ? "float" : four ? "int4" : "int8");
      table.push_back({{"name", layer.name},
                       {"action", keep ? "float" : "quantized"},
                       {"scheme", keep   ? "float32"
                                  : four ? "w4a8-g128"
                                         : "w8a8"},
                       {"bytes_before", layer.bytes}});
    }
    table.push_back({{"name", "first"}, {"action", "float"}, {"scheme", "float32"}, {"bytes_before", 9}});
    result = model(trial.name, -10 * std::log10(noise), bytes, 1);
    result.truth.emplace().metrics[3].value = score;
    result.sites = table;
    return result;
  }
};

Progressive go(Network& network, const Words& limits) {
  std::vector<Limit> parsed;
  for (const std::string& text : limits) parsed.push_back(parse_limit(text));
  return run_progressive(parsed, network.reference(),
                         [&](const Trial& trial) -> const ModelResult& { return network.run(trial); });
}

// "name: held/refused, taken"
Words told(const Progressive& p) {
  Words list;
  for (const ProgressiveStep& step : p.steps)
    list.push_back(step.model + (step.held ? ": holds" : ": refused") + (step.taken ? ", taken" : ""));
  return list;
}

TEST(Progressive, PartsGoTo4BitsWhileTheLimitHolds) {
  Network network;
  const Progressive p = go(network, {"psnr=30"});
  // The limit is a noise of 1e-3. Alone, with 3e-5 of the other groups: 9.3e-4, 1.3e-4, 2.3e-4, 6.3e-4, all
  // hold. Noise for a byte saved, in 1e-8: enc 8.9e-4 / 5000 = 17.8, mid 9e-5 / 3750 = 2.4, dec 1.9e-4 / 2500
  // = 7.6, out 5.9e-4 / 1250 = 47.2: mid, dec, enc, out. mid + dec 3.2e-4 holds, with enc 1.21e-3 does not,
  // with out 9.1e-4 does.
  EXPECT_THAT(told(p),
              ElementsAre("1 int8: holds, taken", "2 int4: refused", "3 int4 enc: holds",
                          "4 int4 mid: holds, taken", "5 int4 dec: holds", "6 int4 out: holds",
                          "7 +int4 dec: holds, taken", "8 +int4 enc: refused", "9 +int4 out: holds, taken"));
  EXPECT_THAT(network.schemes["9 +int4 out"], ElementsAre("int8", "int4", "int4", "int4"));
  EXPECT_EQ(p.last.name, "9 +int4 out");
  EXPECT_THAT(p.last.int4, ElementsAre("re:mid(\\..*)?", "re:dec(\\..*)?", "re:out(\\..*)?"));
  EXPECT_THAT(p.last.keep_float, ElementsAre());
  EXPECT_EQ(p.steps.back().size_bytes, 100000 + 10000 + 3750 + 2500 + 1250);
  EXPECT_NEAR(p.steps.back().psnr_db, -10 * std::log10(9.1e-4), 1e-9);
  EXPECT_EQ(p.steps[2].group, "enc");
  EXPECT_TRUE(p.steps[2].alone);
  EXPECT_FALSE(p.steps[6].alone);
  EXPECT_THAT(p.bounds, ElementsAre(30));
}

TEST(Progressive, EverythingIn4BitsIsTwoSteps) {
  Network network;
  const Progressive p = go(network, {"psnr=27"});  // 2e-3 against 1.8e-3
  EXPECT_THAT(told(p), ElementsAre("1 int8: holds, taken", "2 int4: holds, taken"));
  EXPECT_EQ(p.last.name, "2 int4");
}

TEST(Progressive, WhatDoesNotHoldIn8BitsStaysFloat) {
  Network network;
  network.layers[0].noise8 = 5e-3;
  network.layers[3].noise8 = 4e-5;
  const Progressive p = go(network, {"psnr=34"});  // 3.98e-4
  // Noise for a byte saved: mid 1e-5 / 22500, dec 1e-5 / 15000, out 4e-5 / 7500. All three at int4 9e-4;
  // alone with 8 bits around: mid 1.5e-4, dec 2.5e-4, out 6.2e-4 does not hold; mid + dec 3.4e-4.
  EXPECT_THAT(told(p),
              ElementsAre("1 int8: refused", "2 int8 enc: refused", "3 int8 mid: holds, taken",
                          "4 int8 dec: holds", "5 int8 out: holds", "6 +int8 dec: holds, taken",
                          "7 +int8 out: holds, taken", "8 int4: refused", "9 int4 mid: holds, taken",
                          "10 int4 dec: holds", "11 int4 out: refused", "12 +int4 dec: holds, taken"));
  EXPECT_THAT(network.schemes[p.last.name], ElementsAre("float", "int4", "int4", "int8"));
}

TEST(Progressive, HeavyPartsThatAreLeftOutAreTriedInPieces) {
  Network network;
  network.layers = {{"enc.0.w", 20000, 1e-5, 5e-4},
                    {"enc.1.w", 20000, 1e-5, 6e-4},
                    {"mid.0.w", 40000, 1e-5, 8e-4},
                    {"dec.w", 20000, 1e-5, 3e-4}};
  const Progressive p = go(network, {"psnr=30"});
  // Groups: enc 40 %, of which a quarter is too much: enc.0 and enc.1; mid, one layer; dec. Noise per byte in
  // 1e-8: enc.0 4.9e-4 / 2500 = 19.6, enc.1 23.6, mid 7.9e-4 / 5000 = 15.8, dec 11.6. dec 3.3e-4, + mid
  // 1.12e-3 no, + enc.0 8.2e-4, + enc.1 1.41e-3 no. What is left out is one layer each.
  EXPECT_THAT(told(p),
              ElementsAre("1 int8: holds, taken", "2 int4: refused", "3 int4 enc.0: holds",
                          "4 int4 enc.1: holds", "5 int4 mid: holds", "6 int4 dec: holds, taken",
                          "7 +int4 mid: refused", "8 +int4 enc.0: holds, taken", "9 +int4 enc.1: refused"));
  network.layers = {{"enc.0.w", 10000, 1e-5, 5e-4}, {"enc.1.w", 10000, 1e-5, 6e-4},
                    {"mid.w", 40000, 1e-5, 2e-4},   {"dec.0.a", 15000, 1e-5, 1e-4},
                    {"dec.0.b", 15000, 1e-5, 5e-3}, {"tiny.0", 4000, 1e-5, 1e-2},
                    {"tiny.1", 4000, 1e-5, 1e-5}};
  network.schemes.clear();
  const Progressive q = go(network, {"psnr=30"});
  // A quarter of 98000 is 24500: only dec, 30000, is split, and enc, 20000, is not. Alone enc has 1.15e-3.
  // Then enc is tried in halves: mid 2.6e-4, dec.0.a 3.5e-4, enc.0 8.4e-4, enc.1 1.43e-3. tiny is below a
  // tenth.
  EXPECT_THAT(told(q),
              ElementsAre("1 int8: holds, taken", "2 int4: refused", "3 int4 enc: refused",
                          "4 int4 mid: holds, taken", "5 int4 dec.0.a: holds", "6 int4 dec.0.b: refused",
                          "7 int4 tiny: refused", "8 +int4 dec.0.a: holds, taken",
                          "9 +int4 enc.0: holds, taken", "10 +int4 enc.1: refused"));
  EXPECT_THAT(network.schemes[q.last.name],
              ElementsAre("int4", "int8", "int4", "int4", "int8", "int8", "int8"));
  EXPECT_EQ(q.groups.size(), 7);  // enc, mid, two of dec, tiny, two of enc
}

TEST(Progressive, NothingHolds) {
  Network network;
  for (MadeUpLayer& layer : network.layers) layer.noise8 = layer.noise4 = 1;
  const Progressive p = go(network, {"psnr=30"});
  EXPECT_EQ(p.steps.size(), 5);
  EXPECT_EQ(p.last.name, "");
  EXPECT_THAT(told(p).back(), HasSubstr("refused"));
}

TEST(Progressive, SeveralLimitsAllHaveToHold) {
  Network network;
  network.loss = {{"mid.w", 1.5}, {"dec.w", 0.25}, {"out.w", -1}};  // out makes poses better
  const Progressive p = go(network, {"psnr=30", "auc_30=-1"});
  // mid alone loses 1.5 of the 1 point allowed. dec: noise 1.9e-4 / 9.6e-4 of the room, AUC 0.25 of it: the
  // larger counts; 0.25 / 2500 = 1e-4, enc 0.93 / 5000 = 1.9e-4, out 0.61 / 1250 = 4.9e-4.
  EXPECT_THAT(told(p), ElementsAre("1 int8: holds, taken", "2 int4: refused", "3 int4 enc: holds",
                                   "4 int4 mid: refused", "5 int4 dec: holds, taken", "6 int4 out: holds",
                                   "7 +int4 enc: refused", "8 +int4 out: holds, taken"));
  EXPECT_THAT(p.references, ElementsAre(std::numeric_limits<double>::infinity(), 80));
  EXPECT_THAT(p.bounds, ElementsAre(30, 79));
  EXPECT_THAT(p.steps[3].values, ElementsAre(testing::DoubleNear(-10 * std::log10(1.3e-4), 1e-9), 78.5));
}

TEST(Progressive, SitesOfOtherWidthsStayWhatTheyAre) {
  Network network;
  const auto run = [&](const Trial& trial) -> const ModelResult& {
    network.run(trial);
    network.result.sites[1]["scheme"] = "w16a16";
    return network.result;
  };
  const Progressive p = run_progressive({parse_limit("psnr=27")}, network.reference(), run);
  EXPECT_THAT(p.last.int4, ElementsAre("re:enc(\\..*)?", "re:dec(\\..*)?", "re:out(\\..*)?"));
}

TEST(Progressive, TheFloatModelHasToHold) {
  const auto error = [](const std::string& limit) -> std::string {
    try {
      check_reference_holds({parse_limit(limit)}, Network().reference());
    } catch (const std::runtime_error& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(error("psnr=30"), "no error");
  EXPECT_EQ(error("auc_30=-1"), "no error");
  EXPECT_EQ(error("auc_30=81"), "--limit auc_30=81: the float model itself has AUC@30 80.00 %");
  EXPECT_THAT(error("abs_rel=+5%"), HasSubstr("--limit abs_rel=+5%: the float model has no AbsRel"));
}

}  // namespace
}  // namespace vqt
