// Limits of accuracy: what they are made of, what they mean, what the errors say.
#include "eval/compare/accuracy_limit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "tests/eval/made_up_models.h"
#include "vqt/error.h"

namespace vqt {
namespace {
using testing::HasSubstr;
constexpr double kInfinity = std::numeric_limits<double>::infinity();

TruthScores scores(double auc_30, double abs_rel) {
  TruthScores s;
  s.metrics[3].value = auc_30;
  s.metrics[6].value = abs_rel;
  return s;
}

ReferenceResult reference() {
  ReferenceResult r;
  r.truth = scores(80, 0.05);
  return r;
}

std::string error(const std::string& text) {
  try {
    parse_limit(text);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Limits, BoundsAndWhatHolds) {
  const auto check = [](const std::string& text, double bound, double good, double bad) {
    const Limit limit = parse_limit(text);
    EXPECT_NEAR(bound_of(limit, reference()), bound, 1e-12) << text;
    EXPECT_TRUE(holds(limit, bound, bound)) << text;
    EXPECT_TRUE(holds(limit, bound, good)) << text;
    EXPECT_FALSE(holds(limit, bound, bad)) << text;
    EXPECT_FALSE(holds(limit, bound, std::nan(""))) << text;
  };
  check("psnr=35", 35, 35.1, 34.9);
  check("psnr=35.5", 35.5, kInfinity, 35.4);
  check("auc_30=-2", 78, 78.1, 77.9);
  check("auc_30=-10%", 72, 72.1, 71.9);
  check("auc_30=-0", 80, 81, 79.9);
  check("auc_30=75", 75, 76, 74);
  check("abs_rel=+5%", 0.0525, 0.052, 0.053);
  check("abs_rel=+0.01", 0.06, 0.059, 0.061);
  check("abs_rel=0.1", 0.1, 0.09, 0.11);
}

TEST(Limits, Errors) {
  EXPECT_THAT(error("ssim=3"),
              HasSubstr("unknown metric ssim; expected one of psnr, auc_3, auc_5, auc_15, auc_30, "
                        "rotation_median_deg, translation_median_deg, abs_rel, rmse, delta_1_25, "
                        "points.accuracy, points.completeness, points.overall"));
  EXPECT_THAT(error("accuracy=3"), HasSubstr("unknown metric accuracy"));
  for (const char* bad : {"psnr", "psnr=", "psnr=high", "psnr=35dB", "auc_30=-", "auc_30=nan", "psnr=inf"})
    EXPECT_THAT(error(bad), testing::AllOf(HasSubstr("expected METRIC=VALUE with a number"), HasSubstr(bad)));
  EXPECT_THAT(error("psnr=-2"), HasSubstr("expected dB as in psnr=35, got psnr=-2"));
  EXPECT_THAT(error("psnr=90%"), HasSubstr("expected dB as in psnr=35, got psnr=90%"));
  EXPECT_THAT(error("abs_rel=5%"), HasSubstr("needs a sign, as in abs_rel=+5%; got abs_rel=5%"));
  EXPECT_THAT(error("auc_30=+2"), HasSubstr("expected how far it may fall, as in auc_30=-2, got auc_30=+2"));
  EXPECT_THAT(error("abs_rel=-5%"),
              HasSubstr("expected how far it may rise, as in abs_rel=+5%, got abs_rel=-5%"));
  EXPECT_THAT(error(""), HasSubstr("unknown metric"));
}

TEST(Limits, ValuesOfModels) {
  ModelResult m = model("m", 40, 1, 1);
  m.truth = scores(70, 0.06);
  EXPECT_EQ(value_of("psnr", m), 40);
  EXPECT_EQ(value_of("auc_30", m), 70);
  EXPECT_EQ(value_of("abs_rel", m), 0.06);
  EXPECT_TRUE(std::isnan(value_of("points.overall", m)));
  m.outputs[0].second.nonfinite = 1;
  EXPECT_TRUE(std::isnan(value_of("psnr", m)));
  m.outputs[0].second.nonfinite_in_reference = 1;
  EXPECT_EQ(value_of("psnr", m), 40);
  for (auto& [path, metrics] : m.outputs) {
    metrics.psnr_db.reset();
    metrics.equal = true;
  }
  EXPECT_EQ(value_of("psnr", m), kInfinity);
  EXPECT_EQ(value_of("psnr", reference()), kInfinity);
  EXPECT_EQ(value_of("auc_30", reference()), 80);
}

TEST(Limits, RoomUsed) {
  const Limit psnr = parse_limit("psnr=30"), auc = parse_limit("auc_30=-8"),
              rel = parse_limit("abs_rel=+0.02");
  // Noise of 30 dB: 1e-3, of 40: 1e-4, of 33.0103: 5e-4.
  EXPECT_NEAR(budget_used(psnr, 30, kInfinity, 40), 0.1, 1e-12);
  EXPECT_NEAR(budget_used(psnr, 30, 40, 33.010299956639813), 4.0 / 9, 1e-9);
  EXPECT_NEAR(budget_used(psnr, 30, 40, 30), 1, 1e-12);
  EXPECT_EQ(budget_used(psnr, 30, 40, 45), 0);
  EXPECT_NEAR(budget_used(auc, 72, 80, 78), 0.25, 1e-12);
  EXPECT_NEAR(budget_used(auc, 72, 76, 70), 1.5, 1e-12);
  EXPECT_NEAR(budget_used(rel, 0.07, 0.05, 0.055), 0.25, 1e-12);
  EXPECT_EQ(budget_used(auc, 72, 80, std::nan("")), kInfinity);
  EXPECT_EQ(budget_used(auc, 80, 80, 80), 0);
  EXPECT_EQ(budget_used(auc, 80, 80, 81), 0);
  EXPECT_EQ(budget_used(auc, 80, 80, 79), kInfinity);
  EXPECT_EQ(budget_used(rel, 0.05, 0.05, 0.04), 0);
  EXPECT_EQ(budget_used(rel, 0.05, 0.05, 0.06), kInfinity);
}

TEST(Limits, InWords) {
  EXPECT_EQ(describe(parse_limit("psnr=35"), reference()), "lowest PSNR at least 35.0 dB");
  EXPECT_EQ(describe(parse_limit("auc_30=-2"), reference()),
            "AUC@30 at least 78.00 % (float model: 80.00 %)");
  EXPECT_EQ(describe(parse_limit("abs_rel=+5%"), reference()), "AbsRel at most 0.0525 (float model: 0.0500)");
  EXPECT_EQ(title_of("points.accuracy"), "points accuracy");
}

}  // namespace
}  // namespace vqt
