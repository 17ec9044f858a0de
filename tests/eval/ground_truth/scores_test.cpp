// Scores against ground truth, worked by hand.
#include "eval/ground_truth/scores.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>
#include <random>

#include "eval/ground_truth/point_clouds.h"
#include "eval/ground_truth/pose.h"
#include "eval/ground_truth/truth_errors.h"
#include "tests/temporary_folder.h"

namespace vqt {
namespace {

constexpr double kPi = 3.14159265358979323846;
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

Quaternion turn(double degrees, const Vec3& axis) {
  const double half = degrees * kPi / 360;
  return {std::cos(half), std::sin(half) * axis[0], std::sin(half) * axis[1], std::sin(half) * axis[2]};
}

double value(const TruthScores& s, const char* key) {
  for (size_t m = 0; m < kTruthMetrics.size(); ++m) {
    if (std::string(kTruthMetrics[m].key) == key)
      return s.metrics[m].value.value_or(std::numeric_limits<double>::quiet_NaN());
  }
  throw std::out_of_range(key);
}

const TruthScore& score(const TruthScores& s, const char* key) {
  for (size_t m = 0; m < kTruthMetrics.size(); ++m) {
    if (std::string(kTruthMetrics[m].key) == key) return s.metrics[m];
  }
  throw std::out_of_range(key);
}

// --- poses ---

TEST(Pose, RotatesAsTheMatrixDoes) {
  // 90 degrees about z: x becomes y, y becomes -x.
  const Quaternion q = turn(90, {0, 0, 1});
  const Vec3 v = rotate(q, {1, 2, 3});
  EXPECT_NEAR(v[0], -2, 1e-12);
  EXPECT_NEAR(v[1], 1, 1e-12);
  EXPECT_NEAR(v[2], 3, 1e-12);
  const Pose pose{q, {10, 20, 30}};
  const Vec3 back = to_world(pose, to_camera(pose, {4, 5, 6}));
  EXPECT_NEAR(back[0], 4, 1e-12);
  EXPECT_NEAR(back[1], 5, 1e-12);
  EXPECT_NEAR(back[2], 6, 1e-12);
}

TEST(Pose, TheRelativePoseMapsOneCameraToTheOther) {
  const Pose a{turn(30, {1, 0, 0}), {1, 2, 3}}, b{turn(70, {0, 1, 0}), {-4, 5, 0.5}};
  const Vec3 world = {0.3, -0.7, 2};
  const Vec3 expected = to_camera(a, world), got = to_camera(relative_pose(a, b), to_camera(b, world));
  for (int k = 0; k < 3; ++k) EXPECT_NEAR(got[k], expected[k], 1e-12);
}

TEST(Pose, Angles) {
  EXPECT_NEAR(rotation_angle(turn(10, {1, 0, 0}), turn(37, {1, 0, 0})), 27, 1e-9);
  EXPECT_NEAR(rotation_angle(turn(0, {1, 0, 0}), turn(1e-5, {0, 1, 0})), 1e-5, 1e-12);  // acos would give 0
  EXPECT_NEAR(rotation_angle(turn(0, {1, 0, 0}), turn(350, {0, 1, 0})), 10, 1e-9);      // q and -q
  EXPECT_NEAR(direction_angle({1, 0, 0}, {0, 5, 0}), 90, 1e-9);
  EXPECT_NEAR(direction_angle({1, 0, 0}, {-3, 3, 0}), 45, 1e-9);  // 135, folded
  EXPECT_NEAR(direction_angle({0, 0, 2}, {0, 0, -1}), 0, 1e-9);
  EXPECT_TRUE(std::isnan(direction_angle({0, 0, 0}, {1, 0, 0})));
}

TruthErrors of_pairs(const std::vector<double>& errors) {
  TruthErrors e;
  e.depth.resize(errors.size() + 1);
  e.points.resize(errors.size() + 1);
  for (size_t i = 0; i < errors.size(); ++i)
    e.pairs.push_back({static_cast<int64_t>(i), static_cast<int64_t>(i) + 1, errors[i], errors[i] / 2});
  return e;
}

TEST(Auc, IsTheMeanOfTheCumulativeHistogram) {
  // Bins 0, 2, 4; cumulative to 3: 1 1 2, of 4 pairs; to 5: 1 1 2 2 3; to 15: the same and ten times 3.
  const TruthScores s = truth_scores(of_pairs({0.5, 2.9, 4.0, 31}), nullptr);
  EXPECT_DOUBLE_EQ(value(s, "auc_3"), 100 * (1 + 1 + 2) / 4.0 / 3);
  EXPECT_DOUBLE_EQ(value(s, "auc_5"), 100 * (1 + 1 + 2 + 2 + 3) / 4.0 / 5);
  EXPECT_DOUBLE_EQ(value(s, "auc_15"), 100 * (1 + 1 + 2 + 2 + 11 * 3) / 4.0 / 15);
  EXPECT_DOUBLE_EQ(value(s, "auc_30"), 100 * (1 + 1 + 2 + 2 + 26 * 3) / 4.0 / 30);
  EXPECT_EQ(s.pairs, 4);
}

TEST(Auc, TheLastBinHoldsItsEnd) {
  // As numpy.histogram: 3.0 is in the bin 2..3 of AUC@3, and in the bin 3..4 of AUC@5.
  const TruthScores s = truth_scores(of_pairs({3.0}), nullptr);
  EXPECT_DOUBLE_EQ(value(s, "auc_3"), 100 / 3.0);
  EXPECT_DOUBLE_EQ(value(s, "auc_5"), 100 * 2 / 5.0);
}

TEST(Auc, TheLargerOfTheTwoAnglesCounts) {
  TruthErrors e = of_pairs({1.5});
  e.pairs[0].translation = 4.5;
  const TruthScores s = truth_scores(e, nullptr);
  EXPECT_DOUBLE_EQ(value(s, "auc_3"), 0);
  EXPECT_DOUBLE_EQ(value(s, "auc_5"), 20);
  EXPECT_DOUBLE_EQ(value(s, "rotation_median_deg"), 1.5);
  EXPECT_DOUBLE_EQ(value(s, "translation_median_deg"), 4.5);
}

TEST(Medians, OfAnEvenNumberAreBetweenTheTwo) {
  const TruthScores s = truth_scores(of_pairs({7, 1, 3, 10}), nullptr);
  EXPECT_DOUBLE_EQ(value(s, "rotation_median_deg"), 5);
  EXPECT_DOUBLE_EQ(value(s, "translation_median_deg"), 2.5);
}

// --- whole predictions on a scene of 2 x 3 pixels ---

class OnAScene : public testing::Test {
 protected:
  // Two cameras, 1 apart along x, that look along z; depth files as given.
  TruthStore store(const std::vector<float>& depth0, const std::vector<float>& depth1) {
    SceneTruth scene;
    scene.folder = folder_.path();
    const std::vector<std::vector<float>> depths = {depth0, depth1};
    for (int i = 0; i < 2; ++i) {
      PictureTruth p;
      p.known = true;
      p.camera = {3, 2, 3, 3, 1.5, 1};
      p.pose.translation = {-1.0 * i, 0, 0};
      p.depth.path = folder_ / ("depth" + std::to_string(i));
      std::ofstream(p.depth.path, std::ios::binary)
          .write(reinterpret_cast<const char*>(depths[i].data()), 6 * sizeof(float));
      scene.pictures.push_back(p);
    }
    scene.depth_source = folder_.path();
    const Placement whole{{2, 3}, {2, 3}, 0, 0};
    return TruthStore(scene, {"a", "b"}, {whole, whole}, {2, 3}, folder_ / "truth", {});
  }

  static TruthScores run(const TruthStore& truth, const Prediction& p) {
    TruthErrorsBuilder builder(truth);
    builder.add(p);
    builder.add_depth(p);
    return truth_scores(builder.take(), nullptr);
  }

  TemporaryFolder folder_;
};

TEST_F(OnAScene, DepthByHand) {
  // Truth 1 2 4 | 8, everything else unknown in one of the ways files say so. Predictions 0.5 1 3 | 4:
  // medians 3 and 2, scale 1.5: 0.75 1.5 4.5 | 6.
  const float inf = std::numeric_limits<float>::infinity();
  const TruthStore truth = store({1, 2, 4, 0, inf, kNan}, {8, 0, 0, -1, inf, kNan});
  const std::vector<float> depth = {0.5, 1, 3, 9, 9, 9, 4, 9, 9, 9, 9, 9};
  Prediction p{0, 2, {}, depth.data(), nullptr};
  const TruthScores s = run(truth, p);
  EXPECT_EQ(s.depth_pixels, 4);
  EXPECT_DOUBLE_EQ(s.depth_scale.value(), 1.5);
  EXPECT_DOUBLE_EQ(value(s, "abs_rel"), (0.25 + 0.25 + 0.125 + 0.25) / 4);
  EXPECT_DOUBLE_EQ(value(s, "rmse"), std::sqrt((0.0625 + 0.25 + 0.25 + 4) / 4));
  EXPECT_DOUBLE_EQ(value(s, "delta_1_25"), 25);  // 4.5 / 4; the others are off by 4 / 3
  EXPECT_TRUE(std::isnan(value(s, "auc_30")));
  EXPECT_TRUE(std::isnan(value(s, "accuracy")));
}

TEST_F(OnAScene, NanAndNegativeDepthsAreNotWithin) {
  const TruthStore truth = store({1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 0, 0});
  const std::vector<float> depth = {1, 1, 1, -1, kNan, kNan, 0, 0, 0, 0, 0, 0};
  const TruthScores s = run(truth, {0, 2, {}, depth.data(), nullptr});
  EXPECT_EQ(s.depth_pixels, 4);
  EXPECT_EQ(s.nonfinite, 2);
  EXPECT_DOUBLE_EQ(value(s, "abs_rel"), 2.0 / 4);
  EXPECT_DOUBLE_EQ(value(s, "delta_1_25"), 50);
}

// translation, quaternion x y z w, fields of view
std::vector<double> encodings(const Pose& a, const Pose& b) {
  std::vector<double> e;
  for (const Pose& p : {a, b}) {
    e.insert(e.end(), p.translation.begin(), p.translation.end());
    e.insert(e.end(), {p.rotation.x, p.rotation.y, p.rotation.z, p.rotation.w, 0.6435011087932844,
                       0.9272952180016122});
  }
  return e;
}

TEST_F(OnAScene, PosesByHand) {
  // True: no rotation, translation (1, 0, 0) from b to a. Predicted: b is turned by 4 degrees about z and its
  // centre lies at (2, 2 tan 10.5, 0): only the direction counts, not the length.
  const TruthStore truth = store({0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0});
  const Quaternion q = turn(4, {0, 0, 1});
  const Vec3 t = rotate(q, {-2, -2 * std::tan(10.5 * kPi / 180), 0});
  const TruthScores s = run(truth, {0, 2, encodings({}, {q, t}), nullptr, nullptr});
  EXPECT_EQ(s.pairs, 1);
  EXPECT_NEAR(value(s, "rotation_median_deg"), 4, 1e-9);
  EXPECT_NEAR(value(s, "translation_median_deg"), 10.5, 1e-9);
  EXPECT_NEAR(value(s, "auc_15"), 100 * 5 / 15.0, 1e-9);  // bin 10
  EXPECT_DOUBLE_EQ(value(s, "auc_5"), 0);
}

TEST_F(OnAScene, APoseThatIsNanIsAsWrongAsCanBe) {
  const TruthStore truth = store({0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0});
  Pose bad;
  bad.translation = {kNan, 0, 0};
  bad.rotation = {0, 0, 0, 0};
  const TruthScores s = run(truth, {0, 2, encodings({}, bad), nullptr, nullptr});
  EXPECT_DOUBLE_EQ(value(s, "rotation_median_deg"), 180);
  EXPECT_DOUBLE_EQ(value(s, "translation_median_deg"), 90);
  EXPECT_DOUBLE_EQ(value(s, "auc_30"), 0);
}

TEST_F(OnAScene, PairsStayWithinAForward) {
  const TruthStore truth = store({0, 0, 0, 0, 0, 0}, {0, 0, 0, 0, 0, 0});
  const std::vector<double> e = encodings({}, {{}, {-1, 0, 0}});
  TruthErrorsBuilder builder(truth);
  builder.add({0, 1, {e.begin(), e.begin() + 9}, nullptr, nullptr});
  builder.add({1, 1, {e.begin() + 9, e.end()}, nullptr, nullptr});
  EXPECT_TRUE(builder.take().pairs.empty());
}

TEST_F(OnAScene, PointsAreAlignedBeforeTheyAreScored) {
  const TruthStore truth = store({1, 2, 3, 4, 5, 6}, {2, 2, 3, 3, 4, 9});
  std::vector<float> points;
  for (int i = 0; i < 2; ++i) {
    const FrameTruth frame = truth.read(i);
    // The first camera's pixel (2, 1): x = (2.5 - 1.5) / 3 * 6, y = (1.5 - 1) / 3 * 6.
    if (i == 0) {
      EXPECT_FLOAT_EQ(frame.points[15], 2);
      EXPECT_FLOAT_EQ(frame.points[16], 1);
      EXPECT_FLOAT_EQ(frame.points[17], 6);
    } else {
      EXPECT_FLOAT_EQ(frame.points[0], (0.5f - 1.5f) / 3 * 2 + 1);  // the second camera stands at x = 1
    }
    const Quaternion q = turn(40, {0.6, 0, 0.8});
    for (int k = 0; k < 6; ++k) {
      const Vec3 p = rotate(q, {frame.points[3 * k], frame.points[3 * k + 1], frame.points[3 * k + 2]});
      for (int c = 0; c < 3; ++c) points.push_back(static_cast<float>(0.25 * p[c] + 7 - c));
    }
  }
  const TruthScores s = run(truth, {0, 2, {}, nullptr, points.data()});
  EXPECT_EQ(s.points, 12);
  EXPECT_NEAR(value(s, "accuracy"), 0, 2e-5);
  EXPECT_NEAR(value(s, "completeness"), 0, 2e-5);
  // The same by depth and poses, scaled: pixel centres half a pixel off, as VGGT has them.
  std::vector<float> depth;
  for (int i = 0; i < 2; ++i) {
    for (const float d : truth.read(i).depth) depth.push_back(d / 4);
  }
  const TruthScores made = run(truth, {0, 2, encodings({}, {{}, {-0.25, 0, 0}}), depth.data(), nullptr});
  EXPECT_NEAR(value(made, "auc_3"), 100, 1e-9);
  EXPECT_NEAR(value(made, "abs_rel"), 0, 1e-6);
  EXPECT_GT(value(made, "accuracy"), 1e-3);
  EXPECT_LT(value(made, "accuracy"), 0.5);
}

// --- alignment and distances ---

TEST(Umeyama, FindsTheSimilarityAndNoReflection) {
  const std::vector<float> from = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 1, 1, 1};
  std::vector<float> to, mirrored;
  for (size_t i = 0; i < from.size(); i += 3) {
    to.insert(to.end(),
              {5 - 2 * from[i + 1], 2 * from[i] - 1, 2 * from[i + 2]});  // 90 degrees about z, twice as large
    mirrored.insert(mirrored.end(), {-from[i], from[i + 1], from[i + 2]});
  }
  const Similarity s = umeyama(from, to).value();
  EXPECT_NEAR(s.scale, 2, 1e-9);
  EXPECT_NEAR(s.rotation[0][1], -1, 1e-9);
  EXPECT_NEAR(s.translation[0], 5, 1e-9);
  EXPECT_THAT(moved(s, from), testing::Pointwise(testing::FloatNear(1e-5f), to));
  const Similarity m = umeyama(from, mirrored).value();
  const auto& r = m.rotation;
  const double determinant = r[0][0] * (r[1][1] * r[2][2] - r[1][2] * r[2][1]) -
                             r[0][1] * (r[1][0] * r[2][2] - r[1][2] * r[2][0]) +
                             r[0][2] * (r[1][0] * r[2][1] - r[1][1] * r[2][0]);
  EXPECT_NEAR(determinant, 1, 1e-9);
  EXPECT_FALSE(umeyama({0, 0, 0, 1, 0, 0}, {0, 0, 0, 1, 0, 0}));
  EXPECT_FALSE(umeyama({1, 1, 1, 1, 1, 1, 1, 1, 1}, {0, 0, 0, 1, 0, 0, 0, 1, 0}));
  EXPECT_FALSE(umeyama({0, 0, 0, 1, 0, 0, 2, 0, 0}, {0, 0, 0, 1, 0, 0, 2, 0, 0}));  // a line
}

TEST(NearestDistances, EqualThoseOfEveryPairTried) {
  std::mt19937 random(1);
  std::vector<float> points, queries;
  for (int i = 0; i < 3 * 500; ++i) points.push_back(static_cast<float>(random() % 1000) / 100);
  for (int i = 0; i < 3 * 200; ++i) queries.push_back(static_cast<float>(random() % 1200) / 100);
  const std::vector<float> got = nearest_distances(queries, points);
  ASSERT_EQ(got.size(), 200u);
  for (size_t q = 0; q < 200; ++q) {
    double best = 1e30;
    for (size_t p = 0; p < 500; ++p) {
      double square = 0;
      for (int k = 0; k < 3; ++k) square += std::pow(double{queries[3 * q + k]} - points[3 * p + k], 2);
      best = std::min(best, square);
    }
    EXPECT_NEAR(got[q], std::sqrt(best), 1e-4);
  }
}

// --- uncertainty ---

TruthErrors of_pictures(const std::vector<double>& relative) {
  TruthErrors e;
  for (const double r : relative) e.depth.push_back({1, 0, 0, r, 0});
  e.points.resize(relative.size());
  return e;
}

TEST(Uncertainty, IsThatOfAMeanOfPictures) {
  std::vector<double> errors;
  double sum = 0, squares = 0;
  for (int i = 0; i < 100; ++i) {
    errors.push_back((i * 37 % 100) / 100.0);
    sum += errors.back();
    squares += errors.back() * errors.back();
  }
  const double mean = sum / 100, deviation = std::sqrt(squares / 100 - mean * mean) / 10;
  const TruthErrors e = of_pictures(errors);
  const TruthScores s = truth_scores(e, nullptr);
  const Interval i = score(s, "abs_rel").interval.value();
  EXPECT_NEAR(i.low, mean - 1.96 * deviation, 0.25 * deviation);
  EXPECT_NEAR(i.high, mean + 1.96 * deviation, 0.25 * deviation);
  EXPECT_FALSE(score(s, "abs_rel").difference);
  EXPECT_EQ(truth_scores(e, nullptr).metrics[6].interval->low, i.low);  // seeded
}

TEST(Uncertainty, ADifferenceIsTakenWithinEveryResample) {
  // Pictures differ much from each other, models by the same 0.01 in every picture.
  std::vector<double> errors, worse;
  for (int i = 0; i < 20; ++i) {
    errors.push_back(i / 10.0);
    worse.push_back(i / 10.0 + 0.01);
  }
  const TruthErrors reference = of_pictures(errors);
  const TruthScores s = truth_scores(of_pictures(worse), &reference);
  EXPECT_GT(score(s, "abs_rel").interval->high - score(s, "abs_rel").interval->low, 0.3);
  EXPECT_NEAR(score(s, "abs_rel").difference.value(), 0.01, 1e-12);
  EXPECT_NEAR(score(s, "abs_rel").difference_interval->low, 0.01, 1e-12);
  EXPECT_NEAR(score(s, "abs_rel").difference_interval->high, 0.01, 1e-12);
}

TEST(Uncertainty, ADifferenceIsSignificantOverSixPicturesAndOnePercent) {
  const auto significant = [](int pictures, const std::vector<double>& added) {
    std::vector<double> errors(pictures, 1.0), worse = errors;
    for (int i = 0; i < pictures; ++i) worse[i] += added[i % added.size()];
    const TruthErrors reference = of_pictures(errors);
    const TruthScores s = truth_scores(of_pictures(worse), &reference);
    EXPECT_EQ(s.pictures, pictures);
    return score(s, "abs_rel").significant;
  };
  EXPECT_TRUE(significant(6, {0.011}));
  EXPECT_TRUE(significant(6, {-0.011}));
  EXPECT_FALSE(significant(6, {0.009}));      // less than 1 % of 1.0
  EXPECT_FALSE(significant(5, {0.011}));      // 2 * 2^-5: chance does that in 6 % of cases
  EXPECT_FALSE(significant(6, {0.5, -0.4}));  // the interval contains 0
  EXPECT_FALSE(score(truth_scores(of_pictures({1, 1, 1, 1, 1, 1}), nullptr), "abs_rel").significant);
}

TEST(Uncertainty, OfPairsComesFromPicturesAndNeedsThree) {
  EXPECT_FALSE(score(truth_scores(of_pairs({1.5}), nullptr), "auc_3").interval);
  // 3 pictures, picture 0 is off: pairs 0-1 and 0-2 fail, 1-2 is right.
  TruthErrors e;
  e.depth.resize(3);
  e.points.resize(3);
  e.pairs = {{0, 1, 50, 0}, {0, 2, 50, 0}, {1, 2, 0.5, 0}};
  const TruthScores s = truth_scores(e, nullptr);
  EXPECT_DOUBLE_EQ(value(s, "auc_30"), 100 / 3.0);
  EXPECT_DOUBLE_EQ(score(s, "auc_30").interval->low, 0);     // resamples without 1 or 2
  EXPECT_DOUBLE_EQ(score(s, "auc_30").interval->high, 100);  // and without 0
}

}  // namespace
}  // namespace vqt
