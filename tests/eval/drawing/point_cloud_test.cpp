// Which pixels a cloud shows, its file byte by byte, and where points land in the picture: all worked by
// hand.
#include "eval/drawing/point_cloud.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <opencv2/imgcodecs.hpp>

#include "eval/drawing/draw_cloud.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::ElementsAreArray;
using testing::StartsWith;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Two pictures of 2 x 3 pixels; the second has one row of white above it.
struct TwoPictures {
  std::vector<float> points = std::vector<float>(3 * 12, 1), confidence;
  CloudSource source() {
    return {{2, 3},
            {{{2, 3}, {2, 3}, 0, 0}, {{1, 3}, {1, 3}, 1, 0}},
            points.data(),
            confidence.empty() ? nullptr : confidence.data()};
  }
};

TEST(ShownPixels, AreThoseOfThePicturesWithoutTheLeastSure) {
  TwoPictures scene;
  EXPECT_THAT(shown_pixels(scene.source(), 50, 100).indices, ElementsAre(0, 1, 2, 3, 4, 5, 9, 10, 11));
  EXPECT_FALSE(shown_pixels(scene.source(), 50, 100).threshold);
  //                  first picture       white, as sure as can be   the rest of the second
  scene.confidence = {1, 2, 3, 4, 5, 6, /**/ 99, 99, 99, /**/ 7, 8, 9};
  const ShownPixels half = shown_pixels(scene.source(), 50, 100);
  EXPECT_EQ(half.threshold, 5);  // the median of 1 to 9
  EXPECT_THAT(half.indices, ElementsAre(4, 5, 9, 10, 11));
  // Rank 0.3 * 8 = 2.4: between 3 and 4.
  EXPECT_NEAR(*shown_pixels(scene.source(), 30, 100).threshold, 3.4, 1e-12);
  EXPECT_THAT(shown_pixels(scene.source(), 30, 100).indices, ElementsAre(3, 4, 5, 9, 10, 11));
  EXPECT_EQ(shown_pixels(scene.source(), 0, 100).indices.size(), 9u);
  // At most 4 of 9: 0, 9/4, 18/4, 27/4.
  EXPECT_THAT(shown_pixels(scene.source(), 0, 4).indices, ElementsAre(0, 2, 4, 9));
}

TEST(ShownPixels, LeaveOutWhatIsNotFinite) {
  TwoPictures scene;
  scene.points[3 * 4 + 2] = kNan;
  scene.points[3 * 10] = std::numeric_limits<float>::infinity();
  EXPECT_THAT(shown_pixels(scene.source(), 50, 100).indices, ElementsAre(0, 1, 2, 3, 5, 9, 11));
  scene.confidence = {1, 2, 3, 4, 5, 6, 99, 99, 99, kNan, 8, 9};
  // The median of 1 2 3 4 5 6 8 9 is 4.5.
  EXPECT_THAT(shown_pixels(scene.source(), 50, 100).indices, ElementsAre(5, 11));
  scene.confidence.assign(12, kNan);
  EXPECT_TRUE(shown_pixels(scene.source(), 50, 100).indices.empty());
}

TEST(PlyFile, HoldsLittleEndianFloatsAndColours) {
  const std::string file = ply_file({1, -2, 0.5f, kNan, 0, 0, 0, 0, 3}, {255, 0, 7, 1, 2, 3, 8, 9, 10});
  EXPECT_THAT(file, StartsWith("ply\nformat binary_little_endian 1.0\n"));
  const std::string head_end =
      "element vertex 2\nproperty float x\nproperty float y\nproperty float z\nproperty uchar red\n"
      "property uchar green\nproperty uchar blue\nend_header\n";
  const size_t at = file.find(head_end);
  ASSERT_NE(at, std::string::npos);
  const std::string body = file.substr(at + head_end.size());
  const std::vector<uint8_t> expected = {0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0,    0x3f, 255, 0, 7,
                                         0, 0, 0,    0,    0, 0, 0, 0,    0, 0, 0x40, 0x40, 8,   9, 10};
  EXPECT_THAT(std::vector<uint8_t>(body.begin(), body.end()), ElementsAreArray(expected));
}

CloudView small_view() {
  CloudView view;
  view.focal = 10;
  view.u0 = 20;
  view.v0 = 10;
  view.width = 40;
  view.height = 20;
  return view;
}

std::vector<int> pixel(const std::vector<uint8_t>& picture, int x, int y) {
  const size_t at = 3 * (static_cast<size_t>(y) * 40 + x);
  return {picture[at], picture[at + 1], picture[at + 2]};
}

TEST(DrawPoints, PutsAPointWhereThePinholeSaysAndTheNearerInFront) {
  // (1, -0.8, 2): u = 10 * 1 / 2 + 20 = 25, v = 10 * -0.8 / 2 + 10 = 6. (3, -2.4, 6) is on the same ray.
  const std::vector<float> points = {1, -0.8f, 2, 3, -2.4f, 6, 0, 0, 1, 0, 0, -1, kNan, 0, 1, 90, 0, 1};
  const std::vector<uint8_t> colours = {200, 1, 2, 3, 201, 4, 5, 6, 202, 9, 9, 9, 9, 9, 9, 9, 9, 9};
  const std::vector<int> sides = {1, 3, 2, 9, 9, 9};
  const auto check = [&](const std::vector<uint8_t>& picture) {
    const std::vector<int> empty = pixel(picture, 0, 0);
    EXPECT_THAT(pixel(picture, 25, 6), ElementsAre(200, 1, 2));  // the nearer one, one pixel,
    for (const auto& [x, y] : {std::pair(24, 6), {26, 7}, {24, 5}, {26, 5}})
      EXPECT_THAT(pixel(picture, x, y), ElementsAre(3, 201, 4));  // in the square of the farther
    EXPECT_EQ(pixel(picture, 23, 6), empty);
    EXPECT_EQ(pixel(picture, 25, 8), empty);
    for (const auto& [x, y] : {std::pair(20, 10), {21, 11}})
      EXPECT_THAT(pixel(picture, x, y), ElementsAre(5, 6, 202));
    int painted = 0;
    for (int y = 0; y < 20; ++y) {
      for (int x = 0; x < 40; ++x) painted += pixel(picture, x, y) != empty;
    }
    EXPECT_EQ(painted, 9 + 4);  // behind the camera, beside the picture and NaN: nothing
  };
  check(draw_points(points, colours, sides, small_view()));
  // Another order of the points is the same picture.
  check(draw_points({3, -2.4f, 6, 1, -0.8f, 2, 0, 0, 1}, {3, 201, 4, 200, 1, 2, 5, 6, 202}, {3, 1, 2},
                    small_view()));
}

TEST(PointSides, ReachToTheNearerNeighbour) {
  // Along x at depth 2, 0.4 apart: 10 * 0.4 / 2 = 2 pixels, twice that to overlap. The last one is 1.8 from
  // its neighbour: 9 pixels, but no more than three times the median reach of 2.
  EXPECT_THAT(point_sides({0, 0, 2, 0.4f, 0, 2, 0.8f, 0, 2, 1.2f, 0, 2, 3, 0, 2}, small_view()),
              ElementsAre(4, 4, 4, 4, 12));
  // No square is larger than 12: 1 apart at depth 1 are 10 pixels.
  EXPECT_THAT(point_sides({0, 0, 1, 1, 0, 1, 2, 0, 1}, small_view()), ElementsAre(12, 12, 12));
  // 0.1 pixels apart.
  EXPECT_THAT(point_sides({0, 0, 2, 0.02f, 0, 2}, small_view()), ElementsAre(2, 2));
  EXPECT_THAT(point_sides({0, 0, 2, kNan, 0, 2}, small_view()), ElementsAre(1, 1));
  EXPECT_THAT(point_sides({0, 0, 2}, small_view()), ElementsAre(1));
}

// A wall of 21 x 11 points at depth 4 before a camera that is turned and moved.
std::vector<float> wall(const Pose& camera) {
  std::vector<float> points;
  for (int y = -5; y <= 5; ++y) {
    for (int x = -10; x <= 10; ++x) {
      for (const double v : to_world(camera, {0.2 * x, 0.2 * y, 4})) points.push_back(static_cast<float>(v));
    }
  }
  return points;
}

TEST(ViewFromBehind, SeesEverythingFromAboveAndBehindTheCamera) {
  const Pose camera = {normalized({1, 0.1, -0.3, 0.2}), {0.5, -1, 2}};
  const std::vector<float> points = wall(camera);
  const CloudView view = view_from_behind(points, camera);
  const Vec3 eye = to_camera(camera, to_world(view.pose, {0, 0, 0}));
  EXPECT_NEAR(eye[0], 0, 1e-6);
  EXPECT_LT(eye[1], -1);  // y is down
  EXPECT_LT(eye[2], -1);
  for (size_t i = 0; i < points.size(); i += 3) {
    const Vec3 p = to_camera(view.pose, {points[i], points[i + 1], points[i + 2]});
    ASSERT_GT(p[2], 0);
    EXPECT_GE(view.focal * p[0] / p[2] + view.u0, 0);
    EXPECT_LT(view.focal * p[0] / p[2] + view.u0, view.width);
    EXPECT_GE(view.focal * p[1] / p[2] + view.v0, 0);
    EXPECT_LT(view.focal * p[1] / p[2] + view.v0, view.height);
  }
  // The middle of the wall is straight ahead, its left is on the left, its top is above its bottom.
  const size_t middle = points.size() / 2 - 1;
  const Vec3 ahead = to_camera(view.pose, {points[middle], points[middle + 1], points[middle + 2]});
  EXPECT_NEAR(ahead[0] / ahead[2], 0, 1e-6);
  EXPECT_NEAR(ahead[1] / ahead[2], 0, 1e-6);
  EXPECT_LT(to_camera(view.pose, {points[0], points[1], points[2]})[0], 0);
  EXPECT_LT(to_camera(view.pose, {points[0], points[1], points[2]})[1], 0);
}

TEST(DrawCloud, MeasuresDistancesAndNamesFiles) {
  CloudPoints points;
  points.output = "world_points";
  points.camera = {{}, {0, 0, 1}};  // at (0, 0, -1)
  points.reference = {{0, 0, 1, 3, 0, 3, 0, 0, 5}, {}};
  points.colours = {9, 9, 9, 8, 8, 8, 7, 7, 7};
  points.models = {{"a b", {{0, 0, 1, 3, 0, 3, 0, 0, 5}, {}}},
                   {"a_b", {{0, 3, 5, 3, 0, 4, kNan, 0, 5}, {}}},
                   {"float", {{0, 0, 2, 3, 0, 4, 0, 0, 8}, {}}}};
  const CloudFigure figure = draw_cloud(points, "ref");
  EXPECT_NEAR(figure.size, (2 + 5 + 6) / 3.0, 1e-6);
  EXPECT_EQ(figure.reference.file, "scene/float.ply");
  EXPECT_EQ(figure.reference.count, 3);
  EXPECT_EQ(figure.models[0].file, "scene/a_b.ply");
  EXPECT_EQ(figure.models[1].file, "scene/a_b-2.ply");
  EXPECT_EQ(figure.models[2].file, "scene/float-2.ply");
  EXPECT_EQ(figure.models[0].mean_distance, 0);
  EXPECT_NEAR(figure.models[1].mean_distance, (5 + 1) / 2.0, 1e-6);
  EXPECT_EQ(figure.models[1].count, 2);
  EXPECT_NEAR(figure.models[2].mean_distance, 5 / 3.0, 1e-6);
  EXPECT_NEAR(figure.models[2].median_distance, 1, 1e-6);
  EXPECT_NEAR(figure.scale, 1 + 0.99 * (5 - 1), 1e-6);  // of a_b's distances 1 and 5, as numpy's percentile
  for (const std::string& jpeg : {figure.reference.picture, figure.models[1].distance_picture}) {
    const cv::Mat picture = cv::imdecode(std::vector<uint8_t>(jpeg.begin(), jpeg.end()), cv::IMREAD_COLOR);
    EXPECT_EQ(picture.size(), cv::Size(640, 480));
  }
}

}  // namespace
}  // namespace vqt
