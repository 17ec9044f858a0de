// --check: which figures are compared, how far each may be off, and how differences are told. Figures worked
// by hand: 6 dB are a factor of 1.9953 in an error and of 3.9811 in its square.
#include "eval/compare/check_results.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/results/json_difference.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Json results() {
  return Json::parse(R"({
    "scene": {"pictures": ["a.png", "b.png"], "height": 28, "width": 42, "frames_per_forward": 2},
    "reference": {"size_bytes": 1000, "ms_per_image": 50.0, "peak_memory_bytes": 90000000,
                  "outputs": {"depth": {"shape": [1, 2], "min": 1.0, "max": 5.0}},
                  "ground_truth": {"pose": {"auc_3": 40.0, "rotation_median_deg": 0.0}, "depth": {"abs_rel": 0.1},
                                   "points": {"accuracy": null}}},
    "models": [
      {"name": "q8", "scheme": "w8a8", "size_bytes": 300, "ms_per_image": 40.0, "peak_memory_bytes": 80000000,
       "outputs": {"depth": {"psnr_db": 40.0, "cosine": 0.999, "mae": 0.02, "nonfinite": 0}}},
      {"name": "exact", "scheme": "float32", "size_bytes": 900, "ms_per_image": 45.0, "peak_memory_bytes": 70000000,
       "outputs": {"depth": {"psnr_db": null, "cosine": 1.0, "mae": 0.0, "nonfinite": 0}}}]})");
}

using Differing = std::vector<std::string>;

// One value of the repetition changed.
Differing differing(const char* pointer, const Json& value, double db = 6) {
  Json now = results();
  now.at(Json::json_pointer(pointer)) = value;
  Differing names;
  for (const CheckedFigure& f : check_results(results(), now, db)) {
    if (!f.within) names.push_back(f.model + "|" + f.subject + "|" + f.name);
  }
  return names;
}

TEST(CheckResults, EverythingIsComparedWithItself) {
  const auto figures = check_results(results(), results(), 0);
  EXPECT_TRUE(all_within(figures));
  // scene 4, reference 1 + 3, 12 scores, 2 models with 2 + 4 each
  EXPECT_EQ(figures.size(), 4u + 4 + 12 + 12);
}

TEST(CheckResults, WhatIsStoredOrCountedHasToBeEqual) {
  EXPECT_THAT(differing("/scene/pictures/1", "c.png"), ElementsAre("scene||pictures"));
  EXPECT_THAT(differing("/scene/width", 56), ElementsAre("scene||width"));
  EXPECT_THAT(differing("/reference/size_bytes", 1001), ElementsAre("reference||size_bytes"));
  EXPECT_THAT(differing("/reference/outputs/depth/shape/1", 3), ElementsAre("reference|depth|shape"));
  EXPECT_THAT(differing("/models/0/size_bytes", 301), ElementsAre("q8||size_bytes"));
  EXPECT_THAT(differing("/models/0/scheme", "w4a8-g64"), ElementsAre("q8||scheme"));
  EXPECT_THAT(differing("/models/0/outputs/depth/nonfinite", 1), ElementsAre("q8|depth|nonfinite"));
}

TEST(CheckResults, EachFigureByAsMuchAsItsKindMoves) {
  const auto psnr = "/models/0/outputs/depth/psnr_db", cosine = "/models/0/outputs/depth/cosine",
             mae = "/models/0/outputs/depth/mae", low = "/reference/outputs/depth/min",
             percent = "/reference/ground_truth/pose/auc_3",
             abs_rel = "/reference/ground_truth/depth/abs_rel",
             angle = "/reference/ground_truth/pose/rotation_median_deg";
  const struct {
    const char* pointer;
    double inside, outside;
    const char* name;
  } cases[] = {
      {psnr, 45.99, 46.01, "q8|depth|psnr_db"},
      {psnr, 34.01, 33.99, "q8|depth|psnr_db"},
      {cosine, 0.99602, 0.99601, "q8|depth|cosine"},    // 0.001 x 2.9811
      {mae, 0.03990, 0.03992, "q8|depth|mae"},          // 0.02 x 0.9953
      {low, -2.981, -2.982, "reference|depth|min"},     // a range of 4 x 0.9953
      {percent, 139.5, 139.6, "reference|pose|auc_3"},  // 99.53 points
      {abs_rel, 0.19952, 0.19954, "reference|depth|abs_rel"},
      {angle, 0.9e-6, 1.1e-6, "reference|pose|rotation_median_deg"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(differing(c.pointer, c.inside), IsEmpty()) << c.name << " " << c.inside;
    EXPECT_THAT(differing(c.pointer, c.outside), ElementsAre(c.name)) << c.outside;
  }
  EXPECT_THAT(differing(psnr, 40.01, 0), ElementsAre("q8|depth|psnr_db"));
}

TEST(CheckResults, Above100DbOnlyAFallBelowCounts) {
  Json recorded = results(), now = results();
  recorded["models"][0]["outputs"]["depth"]["psnr_db"] = 130.0;
  now["models"][0]["outputs"]["depth"]["psnr_db"] = 101.0;
  EXPECT_TRUE(all_within(check_results(recorded, now, 0.1)));
  now["models"][0]["outputs"]["depth"]["psnr_db"] = 99.0;
  EXPECT_FALSE(all_within(check_results(recorded, now, 0.1)));
}

TEST(CheckResults, NullAndMissingAreValues) {
  EXPECT_THAT(differing("/models/1/outputs/depth/psnr_db", 140.0), ElementsAre("exact|depth|psnr_db"));
  EXPECT_THAT(differing("/models/0/outputs/depth/psnr_db", nullptr), ElementsAre("q8|depth|psnr_db"));
  EXPECT_THAT(differing("/reference/ground_truth/points/accuracy", 0.5),
              ElementsAre("reference|points|accuracy"));
  EXPECT_THAT(differing("/reference/ground_truth/depth/abs_rel", nullptr),
              ElementsAre("reference|depth|abs_rel"));
  EXPECT_THAT(
      differing("/models/0/outputs", Json::parse(R"({"depth": {"psnr_db": 40.0, "cosine": 0.999, "mae": 0.02,
                                                             "nonfinite": 0}, "conf": {"nonfinite": 2}})")),
      ElementsAre("q8|conf|nonfinite"));
  EXPECT_THAT(differing("/models/1/name", "other"), Not(IsEmpty()));
}

TEST(CheckResults, TextNamesWhatDiffersAndShowsTimes) {
  Json now = results();
  now["models"][0]["outputs"]["depth"]["psnr_db"] = 38.5;
  now["models"][0]["size_bytes"] = 301;
  now["models"][0]["ms_per_image"] = 400.0;
  EXPECT_EQ(check_text(check_results(results(), now, 0.1), results(), now),
            "model, output      figure  recorded   now  allowed\n"
            "q8             size_bytes       300   301    equal\n"
            "q8, depth         psnr_db        40  38.5    +-0.1\n"
            "\n"
            "for information  ms/image recorded    now  peak MB recorded  now\n"
            "reference                     50.0   50.0                90   90\n"
            "q8                            40.0  400.0                80   80\n"
            "exact                         45.0   45.0                70   70\n"
            "\n"
            "check: 32 figures compared, 2 off by more than allowed\n");
  now["models"][0]["outputs"]["depth"]["psnr_db"] = 40.000000001;
  EXPECT_THAT(check_text(check_results(results(), now, 0), results(), now), HasSubstr("40.0  40.000000001"));
  const std::string good = check_text(check_results(results(), results(), 0.1), results(), results());
  EXPECT_THAT(good, EndsWith("\ncheck: 32 figures compared, all within tolerance\n"));
  EXPECT_THAT(good, Not(HasSubstr("allowed")));
}

TEST(FirstDifference, SaysWhereAndWhat) {
  const auto first = [](const char* before, const char* now) {
    return first_difference(Json::parse(before), Json::parse(now));
  };
  EXPECT_EQ(first(R"({"a": 1, "b": {"c": [1, 2.0]}})", R"({"b": {"c": [1, 2]}, "a": 1})"), "");
  EXPECT_EQ(first(R"({"b": {"c": [1, 2]}})", R"({"b": {"c": [1, 3]}})"), "b.c[1] was 2, now it is 3");
  EXPECT_EQ(first(R"({"c": [1]})", R"({"c": [1, 3]})"), "c had 1 entries, now it has 2");
  EXPECT_EQ(first(R"({})", R"({"name": "x"})"), "name was null, now it is \"x\"");
  EXPECT_EQ(first(R"({"name": "x"})", R"({})"), "name was \"x\", now it is null");
  EXPECT_EQ(first(R"({"a": {"b": 1}})", R"({"a": 2})"), "a was {\"b\":1}, now it is 2");
}

}  // namespace
}  // namespace vqt
