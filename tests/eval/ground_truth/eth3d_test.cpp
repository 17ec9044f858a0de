// Ground truth read from files: what is accepted, what is refused and how, which pixel gets which truth.
#include "eval/ground_truth/colmap.h"
#include "eval/ground_truth/sample_truth.h"
#include "eval/ground_truth/scene_layout.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

template <class Work>
std::string error_of(Work work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

class Eth3d : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "vqt_eth3d_XXXXXX").string();
    folder_ = mkdtemp(name.data());
    write("dslr_calibration_undistorted/cameras.txt", "# a comment\n1 PINHOLE 8 4 8 8 4 2\n");
    write("dslr_calibration_undistorted/images.txt",
          "# IMAGE_ID, QW, ...\n"
          "1 1 0 0 0 0 0 0 1 dslr_images_undistorted/A.JPG\n"
          "4.1 2.2 7 1 1 -1 3 3 9\n"
          "2 2 0 0 0 -1 0 0 1 dslr_images_undistorted/B C.JPG\n"
          "\n");
    write("dslr_calibration_undistorted/points3D.txt", "7 0 0 2 1 2 3 0.5 1 0\n9 1 0.5 4 1 2 3 0.5 1 0\n");
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  std::string calibration(const std::string& name) const {
    return path("dslr_calibration_undistorted/" + name);
  }
  void write(const std::string& name, const std::string& bytes) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << bytes;
  }
  // Depth 100 * row + column + 1 in every pixel of width x height.
  void write_depth(const std::string& name, int width, int height) const {
    std::vector<float> values;
    for (int i = 0; i < width * height; ++i)
      values.push_back(static_cast<float>(100 * (i / width) + i % width + 1));
    write(name, {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)});
  }
  std::string folder_;
};

TEST_F(Eth3d, ReadsColmapsFiles) {
  const auto cameras = read_colmap_cameras(calibration("cameras.txt"));
  ASSERT_EQ(cameras.size(), 1u);
  EXPECT_EQ(cameras.at(1).width, 8);
  EXPECT_EQ(cameras.at(1).cy, 2);
  const auto images = read_colmap_images(calibration("images.txt"));
  ASSERT_EQ(images.size(), 2u);
  EXPECT_THAT(images[0].points, ElementsAre(7, 9));
  EXPECT_EQ(images[1].name, "dslr_images_undistorted/B C.JPG");
  EXPECT_EQ(images[1].pose.rotation.w, 1);  // 2 0 0 0, normalised
  EXPECT_THAT(images[1].pose.translation, ElementsAre(-1, 0, 0));
  EXPECT_TRUE(images[1].points.empty());
  EXPECT_THAT(read_colmap_points(calibration("points3D.txt")).at(9), ElementsAre(1, 0.5, 4));
}

TEST_F(Eth3d, ErrorsNameFileAndLine) {
  const auto cameras = [&](const std::string& text) {
    write("c.txt", text);
    return error_of([&] { read_colmap_cameras(path("c.txt")); });
  };
  EXPECT_THAT(cameras("# x\n\n1 OPENCV 8 4 8 8 4 2 0 0.1 0 0\n"),
              testing::AllOf(HasSubstr("c.txt:3: MODEL"), HasSubstr("PINHOLE"), HasSubstr("OPENCV")));
  EXPECT_THAT(cameras("1 PINHOLE 8 4 8 8 4\n"),
              HasSubstr("c.txt:1: PARAMS: expected 4 of PINHOLE (fx fy cx cy), got 3"));
  EXPECT_THAT(cameras("1 PINHOLE 8 4 8 8 4 2 9\n"), HasSubstr("(fx fy cx cy), got 5"));
  EXPECT_THAT(cameras("1 PINHOLE 8 x 8 8 4 2\n"), HasSubstr("HEIGHT: expected a whole number, got x"));
  EXPECT_THAT(cameras("1 PINHOLE 8 4 nan 8 4 2\n"), HasSubstr("fx: expected a finite number, got nan"));
  EXPECT_THAT(cameras("1 PINHOLE 8 0 8 8 4 2\n"), HasSubstr("8 x 0"));
  EXPECT_THAT(cameras("1 PINHOLE 8 4 8 8 4 2\n1 PINHOLE 8 4 8 8 4 2\r\n"),
              HasSubstr("c.txt:2: CAMERA_ID: 1 occurs"));
  const auto images = [&](const std::string& text) {
    write("i.txt", text);
    return error_of([&] { read_colmap_images(path("i.txt")); });
  };
  EXPECT_THAT(images("1 1 0 0 0 0 0 0 1 A.JPG\n"), HasSubstr("i.txt:1: the file ends after A.JPG"));
  EXPECT_THAT(images("1 1 0 0 0 0 0 0 1 A.JPG\n1 2\n"),
              HasSubstr("i.txt:2: POINT3D_ID of POINTS2D is missing"));
  EXPECT_THAT(images("1 0 0 0 0 0 0 0 1 A.JPG\n\n"), HasSubstr("i.txt:1: QW QX QY QZ"));
  EXPECT_THAT(images("1 1 0 0 0 0 0 0 1\n\n"), HasSubstr("i.txt:1: NAME is missing"));
  EXPECT_THAT(images("1 1 0 0 0 0 0 0 1 A\n\n1 1 0 0 0 0 0 0 1 B\n\n"), HasSubstr("i.txt:3: IMAGE_ID: 1"));
  EXPECT_THAT(error_of([&] { read_colmap_points(path("none.txt")); }),
              HasSubstr("none.txt: cannot be read: No such"));
}

TEST_F(Eth3d, MatchesByFileNameThenWithoutItsExtension) {
  const SceneTruth scene = read_scene(folder_, {"B C.JPG", "other.png", "A.png"});
  EXPECT_TRUE(scene.pictures[0].known);
  EXPECT_FALSE(scene.pictures[1].known);
  EXPECT_TRUE(scene.pictures[2].known);
  EXPECT_EQ(scene.pictures[2].points.size(), 2u);
  EXPECT_EQ(scene.depth_source, calibration("points3D.txt"));
  ASSERT_EQ(scene.notes.size(), 1u);
  EXPECT_THAT(scene.notes[0], HasSubstr("1 of 3 images are not in images.txt and not scored: other.png"));
}

TEST_F(Eth3d, SaysWhatIsWrongWithAFolder) {
  EXPECT_THAT(error_of([&] { read_scene(folder_ + "/none", {"A.JPG"}); }),
              HasSubstr("/none: no such folder"));
  fs::create_directories(folder_ + "/empty");
  EXPECT_THAT(
      error_of([&] { read_scene(folder_ + "/empty", {"A.JPG"}); }),
      testing::AllOf(HasSubstr("/empty: expected a scene"), HasSubstr("\n  ETH3D: cameras and images"),
                     HasSubstr("\n  COLMAP: cameras and images")));
  EXPECT_THAT(
      error_of([&] {
        read_scene(folder_, {"x.JPG", "y.JPG"});
      }),
      testing::AllOf(HasSubstr("images.txt: none of the 2 images"), HasSubstr("x.JPG"), HasSubstr("A.JPG")));
  write("dslr_calibration_undistorted/images.txt",
        "1 1 0 0 0 0 0 0 1 left/A.JPG\n\n2 1 0 0 0 0 0 0 1 right/A.JPG\n\n3 1 0 0 0 0 0 0 5 C.JPG\n\n");
  EXPECT_THAT(error_of([&] { read_scene(folder_, {"A.JPG"}); }), HasSubstr("left/A.JPG or right/A.JPG"));
  fs::remove(calibration("points3D.txt"));
  EXPECT_THAT(read_scene(folder_, {"C.JPG"}).notes[0],
              HasSubstr("1 of 1 images have a camera that is not in cameras.txt; their poses are scored, not "
                        "their depth: C.JPG (camera 5)"));
  write("dslr_calibration_undistorted/images.txt", "1 1 0 0 0 0 0 0 1 A.JPG\n\n");
  EXPECT_THAT(read_scene(folder_, {"A.JPG"}).notes, ElementsAre(HasSubstr("only poses are scored")));
}

TEST_F(Eth3d, DepthFilesGoBeforePoints) {
  write_depth("ground_truth_depth/dslr_images/A.JPG", 8, 4);
  const SceneTruth original = read_scene(folder_, {"A.JPG", "B C.JPG"});
  EXPECT_EQ(original.depth_source, path("ground_truth_depth/dslr_images"));
  EXPECT_TRUE(original.pictures[1].depth.path.empty());
  EXPECT_THAT(original.notes, ElementsAre(HasSubstr("1 of 2 images have no depth file")));
  write_depth("ground_truth_depth/dslr_images/A.JPG", 9, 5);  // of the distorted picture: of no use
  EXPECT_EQ(read_scene(folder_, {"A.JPG"}).depth_source, calibration("points3D.txt"));
  write_depth("ground_truth_depth/dslr_images_undistorted/A.JPG", 8, 4);
  EXPECT_EQ(read_scene(folder_, {"A.JPG"}).depth_source, path("ground_truth_depth/dslr_images_undistorted"));
}

TEST_F(Eth3d, WhatIsMissingOrOfAnotherSizeIsLeftOutAndTheRestIsScored) {
  write_depth("ground_truth_depth/dslr_images_undistorted/A.JPG", 8, 3);
  write_depth("ground_truth_depth/dslr_images_undistorted/B C.JPG", 8, 4);
  const SceneTruth scene = read_scene(folder_, {"A.JPG", "B C.JPG"});
  EXPECT_TRUE(scene.pictures[0].known && scene.pictures[0].depth.path.empty());
  EXPECT_EQ(scene.pictures[1].depth.path, path("ground_truth_depth/dslr_images_undistorted/B C.JPG"));
  EXPECT_THAT(scene.notes,
              ElementsAre(testing::AllOf(HasSubstr("1 of 2 images have a depth file of another size"),
                                         HasSubstr("undistorted/A.JPG: expected 128 bytes, 8 x 4"),
                                         HasSubstr("got 96"))));
  // No depth file is left: the points are used. A sees 7 and 9, of which 9 is missing.
  fs::remove(path("ground_truth_depth/dslr_images_undistorted/B C.JPG"));
  write("dslr_calibration_undistorted/points3D.txt", "7 0 0 2 1 2 3 0.5\n");
  const SceneTruth points = read_scene(folder_, {"A.JPG", "B C.JPG"});
  EXPECT_THAT(points.pictures[0].points, ElementsAre(Vec3{0, 0, 2}));
  ASSERT_EQ(points.notes.size(), 2u);
  EXPECT_THAT(points.notes[1], testing::AllOf(HasSubstr("1 of the 2 points that images show are not in"),
                                              HasSubstr("points3D.txt (the first is 9, which dslr_images_"
                                                        "undistorted/A.JPG shows)")));
}

TEST_F(Eth3d, SamplesThePixelAtTheCentreOfEachOfTheFrame) {
  write_depth("ground_truth_depth/dslr_images_undistorted/A.JPG", 8, 4);
  const PictureTruth picture = read_scene(folder_, {"A.JPG"}).pictures[0];
  // Resized to 4 x 2: the centres lie on the edges between pixels 0|1, 2|3, ...: the later one is taken.
  const FrameTruth half = sample_truth(picture, {{4, 8}, {2, 4}, 0, 0}, {2, 4}, "A.JPG");
  EXPECT_THAT(half.depth, ElementsAre(102, 104, 106, 108, 302, 304, 306, 308));
  // The point of the first: pixel (1, 1) has its centre at (1.5, 1.5) of a camera with f 8 and c (4, 2).
  EXPECT_FLOAT_EQ(half.points[0], -2.5f / 8 * 102);
  EXPECT_FLOAT_EQ(half.points[1], -0.5f / 8 * 102);
  EXPECT_FLOAT_EQ(half.points[2], 102);
  // Enlarged to 16 x 8, 3 rows above cropped, 2 columns of white on the left: row 0 shows row 3 of 8.
  const FrameTruth large = sample_truth(picture, {{4, 8}, {8, 16}, -3, 2}, {2, 20}, "A.JPG");
  const std::vector<float> row(large.depth.begin(), large.depth.begin() + 20);
  EXPECT_THAT(row, ElementsAre(0, 0, 101, 101, 102, 102, 103, 103, 104, 104, 105, 105, 106, 106, 107, 107,
                               108, 108, 0, 0));
  EXPECT_EQ(large.depth[20 + 2], 201);
  // A picture of half the camera's size is the same picture; one of another shape is not.
  EXPECT_EQ(sample_truth(picture, {{2, 4}, {2, 4}, 0, 0}, {2, 4}, "A.JPG").depth, half.depth);
  EXPECT_THAT(
      error_of([&] {
        sample_truth(picture, {{8, 4}, {8, 4}, 0, 0}, {8, 4}, "A.JPG");
      }),
      testing::AllOf(HasSubstr("A.JPG"), HasSubstr("4 x 8"), HasSubstr("8 x 4"), HasSubstr("another shape")));
}

TEST_F(Eth3d, ProjectsPointsAndKeepsTheNearest) {
  PictureTruth picture = read_scene(folder_, {"A.JPG"}).pictures[0];
  // (0, 0, 2) is seen at (4, 2), (1, 0.5, 4) at (6, 3); behind the camera and beside the picture nothing is.
  picture.points.push_back({0, 0, 3});
  picture.points.push_back({0.0001, 0.0001, -1});
  picture.points.push_back({9, 0, 1});
  const FrameTruth frame = sample_truth(picture, {{4, 8}, {2, 4}, 0, 0}, {2, 4}, "A.JPG");
  EXPECT_THAT(frame.depth, ElementsAre(0, 0, 0, 0, 0, 0, 2, 4));
  EXPECT_THAT(std::vector<float>(frame.points.begin() + 21, frame.points.end()), ElementsAre(1, 0.5, 4));
}

}  // namespace
}  // namespace vqt
