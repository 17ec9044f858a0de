// Cameras and points in the pixels of the image files, by hand.
#include "eval/drawing/scene_cameras.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "eval/drawing/colmap_model.h"
#include "eval/ground_truth/colmap.h"
#include "tests/temporary_folder.h"

namespace vqt {
namespace {

TEST(SceneCameras, UndoScaleCropAndPadding) {
  const double kHalfTurn = std::atan(1.0) * 2;  // 90 degrees
  // Files of 400 x 300 at half their size, of whose 150 rows 20 were cut above; and of 100 x 50 at twice their
  // size, with 30 columns of white on the left. A frame of 200 x 100.
  const std::vector<Placement> placements = {{{300, 400}, {150, 200}, -20, 0},
                                             {{50, 100}, {100, 200}, 0, 30}};
  std::vector<double> encodings = {1, 2, 3, 0, 0, 0, 2, kHalfTurn, kHalfTurn,
                                   0, 0, 0, 0, 0, 0, 1, kHalfTurn, kHalfTurn};
  const auto cameras = scene_cameras(encodings, placements, {100, 200});
  ASSERT_EQ(cameras.size(), 2u);
  // 90 degrees over 200 columns: 100 pixels of the frame, 200 of the file; over 100 rows: 50 and 100.
  const PinholeCamera& half = cameras[0].camera;
  EXPECT_TRUE(cameras[0].known);
  EXPECT_EQ(half.width, 400);
  EXPECT_EQ(half.height, 300);
  EXPECT_NEAR(half.fx, 200, 1e-9);
  EXPECT_NEAR(half.fy, 100, 1e-9);
  EXPECT_NEAR(half.cx, 200, 1e-9);
  EXPECT_NEAR(half.cy, (50 + 20) * 2, 1e-9);
  EXPECT_EQ(cameras[0].pose.translation, (Vec3{1, 2, 3}));
  const PinholeCamera& twice = cameras[1].camera;
  EXPECT_NEAR(twice.fx, 50, 1e-9);
  EXPECT_NEAR(twice.fy, 25, 1e-9);
  EXPECT_NEAR(twice.cx, (100 - 30) / 2.0, 1e-9);
  EXPECT_NEAR(twice.cy, 25, 1e-9);

  const auto pixels = scene_pixels({0, 199, 200, 20000 + 30}, placements, {100, 200});
  const auto values = [&](size_t i) {
    return std::vector<float>{static_cast<float>(pixels[i].image), pixels[i].x, pixels[i].y};
  };
  EXPECT_EQ(values(0), (std::vector<float>{0, 0, 40}));
  EXPECT_EQ(values(1), (std::vector<float>{0, 398, 40}));
  EXPECT_EQ(values(2), (std::vector<float>{0, 0, 42}));
  EXPECT_EQ(values(3), (std::vector<float>{1, 0, 0}));

  for (const size_t broken : {size_t{0}, size_t{6}, size_t{7}, size_t{8}}) {
    auto bad = encodings;
    bad[broken] = NAN;
    EXPECT_FALSE(scene_cameras(bad, placements, {100, 200})[0].known);
    EXPECT_TRUE(scene_cameras(bad, placements, {100, 200})[1].known);
  }
  encodings[8] = -1;  // no field of view
  EXPECT_FALSE(scene_cameras(encodings, placements, {100, 200})[0].known);
}

TEST(ColmapModel, IsReadBackAsWritten) {
  CloudFigure figure;
  figure.images = {"a b.png", "lost.png", "c.png"};
  figure.colours = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  figure.pixels = {{0, 1.5f, 2.5f}, {0, 3, 4}, {1, 5, 6}, {2, 7, 8}};
  CloudFigure::Cloud cloud;
  cloud.points = {0.1f, 0.2f, 3, NAN, 0, 0, 1, 2, 3, -1, 1e-7f, 4};
  const Quaternion turned = normalized({1, 2, 3, 4});
  cloud.cameras = {{true, {400, 300, 200.5, 100, 200, 140}, {turned, {1.0 / 3, 2, -3}}},
                   {false, {}, {}},
                   {true, {100, 50, 50, 25, 35, 25}, {{}, {0, 0, 0}}}};
  const TemporaryFolder folder;
  for (const auto& [name, content] : colmap_model(figure, cloud)) std::ofstream(folder / name) << content;
  for (const std::string ending : {".txt", ".bin"}) {
    const ColmapCameras cameras = read_colmap_cameras(folder / ("cameras" + ending));
    ASSERT_EQ(cameras.size(), 2u);
    EXPECT_EQ(cameras.at(1).fx, 200.5);
    EXPECT_EQ(cameras.at(3).cx, 35);
    EXPECT_EQ(cameras.at(3).height, 50);
    const auto images = read_colmap_images(folder / ("images" + ending));
    ASSERT_EQ(images.size(), 2u);
    EXPECT_EQ(images[0].name, "a b.png");
    EXPECT_EQ(images[0].pose.translation, (Vec3{1.0 / 3, 2, -3}));
    EXPECT_NEAR(images[0].pose.rotation.z, turned.z, 1e-15);
    EXPECT_EQ(images[0].points, (std::vector<int64_t>{1}));  // the second is not finite
    EXPECT_EQ(images[1].camera, 3);
    EXPECT_EQ(images[1].points, (std::vector<int64_t>{3}));
    const ColmapPoints points = read_colmap_points(folder / ("points3D" + ending));
    ASSERT_EQ(points.size(), 3u);
    for (int k = 0; k < 3; ++k) {
      EXPECT_FLOAT_EQ(static_cast<float>(points.at(1)[k]), cloud.points[k]);
      EXPECT_FLOAT_EQ(static_cast<float>(points.at(3)[k]), cloud.points[9 + k]);
    }
  }
  EXPECT_THAT(colmap_model(figure, cloud)[4].second,
              testing::HasSubstr("\n2 1 2 3 7 8 9 -1\n3 "));  // no image
  for (const auto& [name, content] : colmap_model(figure, cloud, 2)) std::ofstream(folder / name) << content;
  EXPECT_EQ(read_colmap_points(folder / "points3D.txt").size(), 2u);
}

}  // namespace
}  // namespace vqt
