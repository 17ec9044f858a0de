// Scenes of 7-Scenes, TUM and nerfstudio, with poses whose conventions are worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>

#include "eval/ground_truth/sample_truth.h"
#include "eval/ground_truth/scene_layout.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using testing::AllOf;
using testing::Contains;
using testing::DoubleNear;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

class Layouts : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "vqt_layouts_XXXXXX").string();
    root_ = mkdtemp(name.data());
    folder_ = root_ + "/rgbd_dataset_freiburg3_office";
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(root_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  void write(const std::string& name, const std::string& text) const {
    fs::create_directories(fs::path(path(name)).parent_path());
    std::ofstream(path(name), std::ios::binary) << text;
  }
  // 640 x 480, everywhere `value`, but 0 in the first column and 65535 in the second.
  void write_depth(const std::string& name, int value, cv::Size size = {640, 480}) const {
    cv::Mat image(size, CV_16UC1, cv::Scalar(value));
    image.col(0) = 0;
    image.col(1) = 65535;
    fs::create_directories(fs::path(path(name)).parent_path());
    cv::imwrite(path(name), image);
  }
  SceneTruth read(const std::vector<std::string>& names) const { return read_scene(folder_, names); }
  std::string error_of(const std::vector<std::string>& names) const {
    try {
      read(names);
    } catch (const Error& e) {
      return e.what();
    }
    return "no error";
  }
  std::string root_, folder_;
};

void expect_near(const Vec3& got, const Vec3& expected, double tolerance = 1e-9) {
  EXPECT_THAT(got, ElementsAre(DoubleNear(expected[0], tolerance), DoubleNear(expected[1], tolerance),
                               DoubleNear(expected[2], tolerance)));
}

// A camera at (1, 2, 3) that looks along the world's x: its right is the world's -y, its down is -z. A point
// two metres ahead of it, half a metre to its right and a quarter below is at (3, 1.5, 2.75).
const Vec3 kCentre = {1, 2, 3}, kAhead = {0.5, 0.25, 2}, kSeen = {3, 1.5, 2.75};
const char* const kCameraToWorld = "0 0 1 1\n-1 0 0 2\n0 -1 0 3\n0 0 0 1\n";

void expect_looks_along_x(const Pose& pose) {
  expect_near(to_world(pose, {0, 0, 0}), kCentre);
  expect_near(to_world(pose, kAhead), kSeen);
  expect_near(to_camera(pose, kSeen), kAhead);
}

TEST_F(Layouts, SevenScenes) {
  write("frame-000000.pose.txt", "\t 1.0000000e+000\t 0\t 0\t 0\t\r\n0 1 0 0\r\n0 0 1 0\r\n0 0 0 1\r\n");
  write("frame-000001.pose.txt", kCameraToWorld);
  write("frame-000002.pose.txt", "nan nan nan nan\nnan nan nan nan\nnan nan nan nan\n0 0 0 1\n");
  write_depth("frame-000000.depth.png", 1500);
  write_depth("frame-000001.depth.png", 2000, {320, 240});
  const std::string names[] = {"frame-000000.color.png", "frame-000001.color.png", "frame-000002.color.png"};
  const SceneTruth scene = read({names[0], names[1], names[2], "frame-000003.color.png"});
  EXPECT_EQ(scene.layout, "7-Scenes");
  EXPECT_EQ(scene.depth_source, folder_);
  expect_near(to_world(scene.pictures[0].pose, kAhead), kAhead);
  expect_looks_along_x(scene.pictures[1].pose);
  EXPECT_FALSE(scene.pictures[2].known || scene.pictures[3].known);
  EXPECT_THAT(scene.notes,
              ElementsAre(AllOf(HasSubstr("1 of 4 images are not in"), HasSubstr("frame-000003.color.png")),
                          AllOf(HasSubstr("1 of 4 images have a pose that is not"),
                                HasSubstr("frame-000002.pose.txt")),
                          HasSubstr("585 pixels")));
  // 1500 is 1.5 metres. The centre of the last pixel is at (639.5, 479.5).
  const Placement whole{{480, 640}, {480, 640}, 0, 0};
  const FrameTruth frame = sample_truth(scene.pictures[0], whole, {480, 640}, names[0]);
  EXPECT_EQ(frame.problem, "");
  EXPECT_THAT(std::vector<float>(frame.depth.begin(), frame.depth.begin() + 3), ElementsAre(0, 0, 1.5f));
  EXPECT_FLOAT_EQ(frame.points[3 * 640 * 480 - 3], 1.5f * 319.5f / 585);
  EXPECT_FLOAT_EQ(frame.points[3 * 640 * 480 - 2], 1.5f * 239.5f / 585);
  const FrameTruth other = sample_truth(scene.pictures[1], whole, {480, 640}, names[1]);
  EXPECT_THAT(other.problem, AllOf(HasSubstr("frame-000001.depth.png"), HasSubstr("expected 640 x 480"),
                                   HasSubstr("got 320 x 240")));
  EXPECT_THAT(other.depth, Not(Contains(testing::Gt(0))));
  // Depth maps lie beside the images and are told apart by their names.
  EXPECT_STREQ(scene_layout(folder_).image_ending, ".color.png");
  EXPECT_EQ(scene_layout(folder_).images(folder_), folder_);
  write("frame-000000.pose.txt", "1 0 0 0\n0 1 0 0\n");
  EXPECT_THAT(error_of({names[0]}), HasSubstr("frame-000000.pose.txt:2: expected 4 lines"));
}

TEST_F(Layouts, Tum) {
  // The camera above as a quaternion x y z w: its matrix has trace 0, so w is 1/2;
  // x = (m21 - m12) / 4w = (-1 - 0) / 2, y = (m02 - m20) / 2 = 1 / 2, z = (m10 - m01) / 2 = -1 / 2.
  write(
      "rgb.txt",
      "# color images\n# timestamp filename\n10.00 rgb/10.00.png\n10.10 rgb/10.10.png\n10.20 rgb/10.20.png\n");
  write("groundtruth.txt",
        "# timestamp tx ty tz qx qy qz qw\n9.9900 7 7 7 0 0 0 1\n10.0080 1 2 3 -0.5 0.5 -0.5 0.5\n"
        "10.1150 0 0 0 0 0 0 1\n10.2210 0 0 0 0 0 0 1\n");
  write("depth.txt", "10.005 depth/a.png\n10.3 depth/b.png\n");
  write_depth("depth/a.png", 10000);
  const SceneTruth scene = read({"10.00.png", "10.10.png", "10.20.png"});
  EXPECT_EQ(scene.layout, "TUM");
  EXPECT_EQ(scene.depth_source, path("depth"));
  expect_looks_along_x(scene.pictures[0].pose);  // 0.008 s, not 0.010 s
  EXPECT_TRUE(scene.pictures[1].known);          // 0.015 s
  EXPECT_FALSE(scene.pictures[2].known);         // 0.021 s
  EXPECT_EQ(scene.pictures[0].camera.fx, 535.4);
  EXPECT_THAT(scene.notes,
              ElementsAre(AllOf(HasSubstr("1 of 3 images have no pose in groundtruth.txt within 0.02 s"),
                                HasSubstr("rgb/10.20.png")),
                          AllOf(HasSubstr("1 of 3 images have no depth in depth.txt within 0.02 s"),
                                HasSubstr("rgb/10.10.png")),
                          HasSubstr("calibration freiburg3")));
  const Placement whole{{480, 640}, {480, 640}, 0, 0};
  const FrameTruth frame = sample_truth(scene.pictures[0], whole, {480, 640}, "10.00.png");
  EXPECT_THAT(std::vector<float>(frame.depth.begin(), frame.depth.begin() + 3), ElementsAre(0, 0, 2));
  // Pixel (639, 479), which TUM has at whole numbers, seen from a camera that looks along x.
  EXPECT_FLOAT_EQ(frame.points[3 * 640 * 480 - 3], 1 + 2);
  EXPECT_FLOAT_EQ(frame.points[3 * 640 * 480 - 2], static_cast<float>(2 - 2 * (639 - 320.1) / 535.4));
  EXPECT_EQ(scene_layout(folder_).images(folder_), path("rgb"));
  // Another name: the calibration that the data set calls default.
  fs::rename(folder_, root_ + "/mine");
  EXPECT_EQ(read_scene(root_ + "/mine/", {"10.00.png"}).pictures[0].camera.fx, 525);
}

TEST_F(Layouts, Nerfstudio) {
  // OpenGL's camera: y up, z backward, so that two columns change their sign.
  const std::string matrix = "[[0, 0, -1, 1], [-1, 0, 0, 2], [0, 1, 0, 3], [0, 0, 0, 1]]";
  const auto frame = [](const std::string& name, const std::string& matrix, const std::string& more = "") {
    return "{\"file_path\": \"./images/" + name + "\", \"transform_matrix\": " + matrix + more + "}";
  };
  write("transforms.json",
        "{\"w\": 200, \"h\": 100, \"camera_angle_x\": 1.5707963267948966, \"frames\": [" +
            frame("a", matrix) + ", " +
            frame("b.png", matrix, ", \"fl_x\": 50, \"fl_y\": 60, \"cx\": 90, \"cy\": 40, \"k1\": 0.1") +
            "]}");
  const SceneTruth scene = read({"a.png", "b.png", "c.png"});
  EXPECT_EQ(scene.layout, "nerfstudio");
  EXPECT_EQ(scene.depth_source, "");
  expect_looks_along_x(scene.pictures[0].pose);
  const auto numbers = [](const PinholeCamera& c) { return std::vector<double>{c.fx, c.fy, c.cx, c.cy}; };
  // 90 degrees over 200 pixels: 100.
  EXPECT_THAT(numbers(scene.pictures[0].camera),
              ElementsAre(DoubleNear(100, 1e-9), DoubleNear(100, 1e-9), 100, 50));
  EXPECT_THAT(numbers(scene.pictures[1].camera), ElementsAre(50, 60, 90, 40));
  EXPECT_THAT(scene.notes,
              ElementsAre(HasSubstr("c.png"), AllOf(HasSubstr("lens distortion"), HasSubstr("b.png")),
                          HasSubstr("only poses"), HasSubstr("1 of 1 pairs")));
  EXPECT_EQ(scene_layout(folder_).images(folder_), path("images"));

  // What nerfstudio does to COLMAP's world: (x, y, z) becomes (x, z, -y), then half the size. The camera above
  // is then at (1, 3, -2) / 2 with the rows in that order.
  write(
      "transforms.json",
      "{\"applied_transform\": [[1, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 0]], \"applied_scale\": 0.5, \"frames\": [" +
          frame("a.png", "[[0, 0, -1, 0.5], [0, 1, 0, 1.5], [1, 0, 0, -1], [0, 0, 0, 1]]") + "]}");
  const SceneTruth moved = read({"a.png"});
  expect_looks_along_x(moved.pictures[0].pose);
  EXPECT_EQ(moved.pictures[0].camera.width, 0);

  const auto error = [&](const std::string& json) {
    write("transforms.json", json);
    return error_of({"a.png"});
  };
  EXPECT_THAT(error("{\"frames\": [ "), HasSubstr("transforms.json: byte 14: expected JSON"));
  EXPECT_THAT(error("[]"), HasSubstr("expected an object, got array"));
  EXPECT_THAT(error("{}"), HasSubstr("transforms.json: frames is missing"));
  EXPECT_THAT(error("{\"frames\": [{}]}"), HasSubstr("frames[0]: file_path is missing"));
  EXPECT_THAT(error("{\"frames\": [" + frame("a.png", "[[1, 2], [3, 4]]") + "]}"),
              HasSubstr("frames[0]: transform_matrix: expected 3 or 4 rows"));
  EXPECT_THAT(error("{\"frames\": [" + frame("a.png", "[[1,0,0,0],[0,1,0,0],[0,0,-1,0]]") + "]}"),
              HasSubstr("frames[0]: transform_matrix: expected a rotation"));
  EXPECT_THAT(error("{\"w\": 2, \"h\": 2, \"fl_x\": \"7\", \"frames\": [" +
                    frame("a.png", "[[1,0,0,0],[0,1,0,0],[0,0,1,0]]") + "]}"),
              HasSubstr("transforms.json: fl_x: expected a number, got \"7\""));
}

TEST_F(Layouts, RotationsOfEveryKindBecomeQuaternions) {
  // By 180 degrees about each axis, where w is 0, and a little more.
  for (const double angle : {0.1, 3.141592653589793, 3.2, 6.0}) {
    for (int axis = 0; axis < 3; ++axis) {
      const double s = std::sin(angle), c = std::cos(angle);
      CameraToWorld m = {};
      const int a = (axis + 1) % 3, b = (axis + 2) % 3;
      m[axis][axis] = 1;
      m[a][a] = m[b][b] = c;
      m[a][b] = -s;
      m[b][a] = s;
      const auto pose = pose_of_camera(m);
      ASSERT_TRUE(pose);
      Vec3 turned = {};
      for (int r = 0; r < 3; ++r) turned[r] = m[r][0] * 1 + m[r][1] * 2 + m[r][2] * 3;
      expect_near(to_world(*pose, {1, 2, 3}), turned, 1e-12);
    }
  }
}

TEST_F(Layouts, AnUnknownFolderIsToldWhatEachLayoutNeeds) {
  const std::string error = error_of({"a.png"});
  for (const char* part : {"ETH3D: ", "COLMAP: ", "7-Scenes: frame-NNNNNN.color.png",
                           "TUM: rgb.txt and groundtruth.txt", "nerfstudio: transforms.json"})
    EXPECT_THAT(error, HasSubstr(part));
}

}  // namespace
}  // namespace vqt
