// COLMAP's binary files, written here byte by byte; camera models; scenes in COLMAP's own folders.
#include "eval/ground_truth/colmap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>

#include "eval/ground_truth/scene_layout.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

template <class... Numbers>
std::string bytes(Numbers... numbers) {
  std::string all;
  const auto add = [&](auto number) { all.append(reinterpret_cast<const char*>(&number), sizeof number); };
  (add(numbers), ...);
  return all;
}
uint32_t u32(uint32_t v) { return v; }
uint64_t u64(uint64_t v) { return v; }

// Two cameras (PINHOLE 1, SIMPLE_PINHOLE 2), two images, three points.
std::string cameras_bin() {
  return bytes(u64(2), u32(1), 1, u64(8), u64(4), 8.0, 9.0, 4.0, 2.0) +
         bytes(u32(2), 0, u64(8), u64(4), 8.0, 4.0, 2.0);
}
std::string images_bin() {
  return bytes(u64(2), u32(1), 1.0, 0.0, 0.0, 0.0, 0.5, 0.0, 0.0, u32(1)) +
         std::string("left/A B.png\0", 13) +
         bytes(u64(3), 4.5, 2.5, u64(7), 1.0, 1.0, u64(-1), 3.0, 3.0, u64(1) << 33) +
         bytes(u32(2), 2.0, 0.0, 0.0, 0.0, -1.0, 0.0, 0.0, u32(2)) + std::string("C.png\0", 6) +
         bytes(u64(0));
}
std::string points_bin() {
  const auto point = [](uint64_t id, double x) {
    return bytes(id, x, 0.5, 4.0) + std::string(3, '\x7f') + bytes(0.5);
  };
  return bytes(u64(2)) + point(7, 1) + bytes(u64(1), u32(1), u32(0)) + point(u64(1) << 33, 2) + bytes(u64(0));
}

class Colmap : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = (fs::temp_directory_path() / "vqt_colmap_XXXXXX").string();
    folder_ = mkdtemp(name.data());
  }
  void TearDown() override { fs::remove_all(folder_); }

  std::string write(const std::string& name, const std::string& content) const {
    const fs::path path = fs::path(folder_) / name;
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << content;
    return path.string();
  }
  template <class Read>
  std::string error_of(Read read, const std::string& name, const std::string& content) const {
    const std::string path = write(name, content);
    try {
      read(path);
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr(path));
      return e.what();
    }
    return "no error";
  }
  std::string folder_;
};

TEST_F(Colmap, BinaryFilesGiveWhatTextGives) {
  const auto cameras = read_colmap_cameras(write("cameras.bin", cameras_bin()));
  ASSERT_EQ(cameras.size(), 2u);
  EXPECT_EQ(cameras.at(1).fy, 9);
  EXPECT_EQ(cameras.at(2).fx, 8);
  EXPECT_EQ(cameras.at(2).fy, 8);
  EXPECT_EQ(cameras.at(2).cx, 4);
  EXPECT_EQ(cameras.at(2).cy, 2);
  EXPECT_EQ(cameras.at(2).height, 4);
  const auto images = read_colmap_images(write("images.bin", images_bin()));
  ASSERT_EQ(images.size(), 2u);
  EXPECT_EQ(images[0].name, "left/A B.png");
  EXPECT_THAT(images[0].points, ElementsAre(7, int64_t{1} << 33));  // ids have 64 bits
  EXPECT_EQ(images[1].pose.rotation.w, 1);                          // 2 0 0 0, normalised
  EXPECT_THAT(images[1].pose.translation, ElementsAre(-1, 0, 0));
  EXPECT_EQ(images[1].camera, 2);
  EXPECT_THAT(read_colmap_points(write("points3D.bin", points_bin())).at(int64_t{1} << 33),
              ElementsAre(2, 0.5, 4));

  // The same as text, with what Windows and editors do to text: a byte order mark, \r\n, empty lines.
  const auto text = read_colmap_cameras(
      write("cameras.txt",
            "\xEF\xBB\xBF# cameras\r\n\r\n1 PINHOLE 8 4 8 9 4 2\r\n  2 SIMPLE_PINHOLE 8 4 8 4 2\r\n"));
  EXPECT_EQ(text.at(2).fy, cameras.at(2).fy);
  EXPECT_EQ(text.at(2).cy, cameras.at(2).cy);
  const auto text_images = read_colmap_images(write(
      "images.txt",
      "1 1 0 0 0 0.5 0 0 1 left/A B.png\r\n4.5 2.5 7 1 1 -1 3 3 8589934592\r\n2 2 0 0 0 -1 0 0 2 C.png\r\n\r\n"));
  ASSERT_EQ(text_images.size(), 2u);
  EXPECT_EQ(text_images[0].name, "left/A B.png");
  EXPECT_EQ(text_images[0].points, images[0].points);
  EXPECT_EQ(text_images[1].pose.translation, images[1].pose.translation);
}

TEST_F(Colmap, BinaryFilesCutAnywhereAreRefused) {
  const std::string files[] = {cameras_bin(), images_bin(), points_bin()};
  for (size_t cut = 0; cut < files[0].size(); ++cut)
    EXPECT_THAT(error_of(read_colmap_cameras, "cameras.bin", files[0].substr(0, cut)),
                HasSubstr("cameras.bin"));
  for (size_t cut = 0; cut < files[1].size(); ++cut)
    EXPECT_THAT(error_of(read_colmap_images, "images.bin", files[1].substr(0, cut)), HasSubstr("images.bin"));
  for (size_t cut = 0; cut < files[2].size(); ++cut)
    EXPECT_THAT(error_of(read_colmap_points, "points3D.bin", files[2].substr(0, cut)),
                HasSubstr("points3D.bin"));
  EXPECT_THAT(error_of(read_colmap_cameras, "cameras.bin", files[0] + "x"),
              HasSubstr("byte 112: expected the end of the file, got 1 more"));
}

TEST_F(Colmap, BinaryErrorsNameTheByte) {
  // Counts whose product with a record's size would wrap around.
  for (const uint64_t many : {u64(3), u64(1) << 32, u64(1) << 61, ~u64(0)}) {
    EXPECT_THAT(
        error_of(read_colmap_cameras, "c.bin", bytes(many) + cameras_bin().substr(8)),
        AllOf(HasSubstr("byte 0: "), HasSubstr(std::to_string(many) + " cameras"), HasSubstr("cut short")));
    EXPECT_THAT(error_of(read_colmap_images, "i.bin",
                         bytes(u64(1), u32(1), 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, u32(1)) +
                             std::string("A\0", 2) + bytes(many)),
                AllOf(HasSubstr("byte 74: "), HasSubstr("POINTS2D")));
    EXPECT_THAT(error_of(read_colmap_points, "p.bin",
                         bytes(u64(1), u64(1), 0.0, 0.0, 0.0) + "rgb" + bytes(0.0, many)),
                AllOf(HasSubstr("byte 51: "), HasSubstr("TRACK")));
  }
  EXPECT_THAT(
      error_of(read_colmap_cameras, "c.bin", bytes(u64(1), u32(1), 77, u64(8), u64(4), 8.0, 8.0, 4.0, 2.0)),
      AllOf(HasSubstr("byte 12: MODEL_ID"), HasSubstr("got 77")));
  EXPECT_THAT(
      error_of(read_colmap_cameras, "c.bin", bytes(u64(1), u32(1), 1, ~u64(0), u64(4), 8.0, 8.0, 4.0, 2.0)),
      HasSubstr("byte 8: WIDTH and HEIGHT"));
  EXPECT_THAT(error_of(read_colmap_cameras, "c.bin",
                       bytes(u64(1), u32(1), 1, u64(8), u64(4), 8.0, double{NAN}, 4.0, 2.0)),
              HasSubstr("byte 40: PARAMS: expected a finite number, got nan"));
  EXPECT_THAT(error_of(read_colmap_images, "i.bin",
                       bytes(u64(1), u32(1), 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, u32(1)) +
                           std::string("A\0", 2) + bytes(u64(0))),
              HasSubstr("byte 12: QW QX QY QZ"));
  EXPECT_THAT(
      error_of(read_colmap_images, "i.bin",
               bytes(u64(1), u32(1), 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, u32(1)) + "a name without an end"),
      HasSubstr("byte 72: NAME"));
}

TEST_F(Colmap, CamerasWithoutDistortionArePinholesWhateverTheirModel) {
  const auto camera = [&](const std::string& text) {
    return read_colmap_cameras(write("c.txt", "1 " + text + "\n")).at(1);
  };
  for (const char* text :
       {"PINHOLE 8 4 6 6 4 2", "SIMPLE_PINHOLE 8 4 6 4 2", "SIMPLE_RADIAL 8 4 6 4 2 0",
        "RADIAL 8 4 6 4 2 0 -0.0", "OPENCV 8 4 6 6 4 2 0 0 0 0", "FULL_OPENCV 8 4 6 6 4 2 0 0 0 0 0 0 0 0"}) {
    const PinholeCamera c = camera(text);
    EXPECT_THAT((std::vector<double>{c.fx, c.fy, c.cx, c.cy}), ElementsAre(6, 6, 4, 2)) << text;
  }
  const auto error = [&](const std::string& text) {
    return error_of(read_colmap_cameras, "c.txt", "# a comment\n1 " + text + "\n");
  };
  for (const char* text : {"SIMPLE_RADIAL 8 4 6 4 2 0.01", "OPENCV 8 4 6 6 4 2 0 0 0 -1e-9",
                           "OPENCV_FISHEYE 8 4 6 6 4 2 0 0 0 0", "THIN_PRISM_FISHEYE 8 4 6 6 4 2"}) {
    EXPECT_THAT(error(text), AllOf(HasSubstr("c.txt:2: MODEL"), HasSubstr("undistort"))) << text;
  }
  EXPECT_THAT(error("PINHOL 8 4 6 6 4 2"), HasSubstr("c.txt:2: MODEL: expected one of"));
  EXPECT_THAT(error("SIMPLE_PINHOLE 8 4 6 6 4 2"),
              HasSubstr("expected 3 of SIMPLE_PINHOLE (f cx cy), got 4"));
  EXPECT_THAT(error("PINHOLE 4000000000 4000000000 6 6 4 2"), HasSubstr("WIDTH and HEIGHT"));
}

TEST_F(Colmap, ScenesAreFoundWhereColmapPutsThem) {
  write("images/A B.png", "");
  for (const std::string inside : {"sparse/0/", "sparse/", ""}) {
    write(inside + "cameras.bin", cameras_bin());
    write(inside + "images.bin", images_bin());
    write(inside + "points3D.bin", points_bin());
    const SceneTruth scene = read_scene(folder_, {"A B.jpg", "C.png", "D.png"});
    EXPECT_EQ(scene.layout, "COLMAP");
    EXPECT_EQ(scene.depth_source, folder_ + "/" + inside + "points3D.bin");
    EXPECT_EQ(scene.pictures[0].points.size(), 2u);
    EXPECT_FALSE(scene.pictures[2].known);
    EXPECT_THAT(scene.notes,
                ElementsAre(HasSubstr("1 of 3 images are not in images.bin and not scored: D.png")));
    EXPECT_EQ(scene_layout(folder_).images(folder_), fs::canonical(folder_).string() + "/images");
    // The folder of the model itself, too.
    EXPECT_EQ(scene_layout(folder_ + "/" + inside).images(folder_ + "/" + inside),
              fs::canonical(folder_).string() + "/images");
    // As in COLMAP the binary files are read where both kinds are there.
    write(inside + "cameras.txt", "nonsense");
    write(inside + "images.txt", "nonsense");
    EXPECT_TRUE(read_scene(folder_, {"C.png"}).pictures[0].known);
    for (const char* name : {"cameras", "images"}) {
      fs::remove(folder_ + "/" + inside + name + ".bin");
      fs::remove(folder_ + "/" + inside + name + ".txt");
    }
  }
}

}  // namespace
}  // namespace vqt
