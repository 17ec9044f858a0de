// Pictures against what Pillow and VGGT's official loader made of them, and rules against hand-worked sizes.
#include "loader/images/images.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "loader/images/decode_image.h"
#include "loader/images/fit_image.h"
#include "tests/temporary_folder.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;

const fs::path kData = fs::path(VQT_TEST_DATA) / "preprocess";

std::string data(const std::string& name) { return (kData / name).string(); }

int64_t largest_difference(const at::Tensor& a, const at::Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  if (a.sizes() != b.sizes()) return 255;
  return a.to(at::kInt).sub(b.to(at::kInt)).abs().max().item<int64_t>();
}

template <class Work>
std::string error_of(Work work) {
  try {
    work();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

void add_picture(const TemporaryFolder& folder, const std::string& name) {
  fs::create_directories((folder.path() / name).parent_path());
  fs::copy_file(kData / "decode_grey.png", folder.path() / name);
}

std::vector<std::string> names(const ImageList& list) {
  std::vector<std::string> result;
  for (const std::string& path : list.paths) result.push_back(fs::path(path).filename().string());
  return result;
}

// --- against the official loader (tests/data/preprocess/README.md) ---

struct Fixture {
  std::string name;
  Preprocess preprocess;
  int pictures;
  int64_t height, width, row_step;  // every 7th column is stored, and every row_step-th row
};

void PrintTo(const Fixture& f, std::ostream* out) { *out << f.name; }

class OfficialLoader : public testing::TestWithParam<Fixture> {};

TEST_P(OfficialLoader, IsMatchedWithinOneOf255) {
  const Fixture& f = GetParam();
  ImageList list;
  for (int i = 0; i < f.pictures; ++i)
    list.paths.push_back(data(f.name + ".image" + std::to_string(i) + ".png"));
  ImageOptions options;
  options.preprocess = f.preprocess;
  const Images images = load_images(list, options);
  ASSERT_EQ(images.frames.sizes(), at::IntArrayRef({f.pictures, 3, f.height, f.width}));
  const at::Tensor stored = images.frames.slice(2, 0, f.height, f.row_step).slice(3, 0, f.width, 7);
  const std::string suffix = f.row_step == 7 ? ".out_u8_rows_cols_step7." : ".out_u8.";
  for (int i = 0; i < f.pictures; ++i) {
    const at::Tensor expected =
        decode_image(data(f.name + suffix + std::to_string(i) + ".png")).rgb.permute({2, 0, 1});
    EXPECT_LE(largest_difference(stored[i].mul(255).round(), expected), 1) << f.name << " picture " << i;
  }
}

INSTANTIATE_TEST_SUITE_P(Cases, OfficialLoader,
                         testing::Values(Fixture{"crop_thin", Preprocess::kCrop, 1, 28, 518, 1},
                                         Fixture{"crop_half", Preprocess::kCrop, 1, 28, 518, 1},
                                         Fixture{"crop_tall", Preprocess::kCrop, 1, 518, 518, 7},
                                         Fixture{"pad_thin", Preprocess::kPad, 1, 518, 518, 7},
                                         Fixture{"pad_tall", Preprocess::kPad, 1, 518, 518, 7},
                                         Fixture{"rgba", Preprocess::kCrop, 1, 28, 518, 1},
                                         Fixture{"mixed", Preprocess::kCrop, 2, 56, 518, 1}),
                         [](const auto& info) { return info.param.name; });

class DecodeLikePillow : public testing::TestWithParam<const char*> {};

TEST_P(DecodeLikePillow, SamePixels) {
  const std::string name = GetParam();
  const int64_t allowed =
      name == "decode_exif.jpg" ? 2 : 0;  // two builds of libjpeg; a turned picture is far off
  EXPECT_LE(largest_difference(decode_image(data(name)).rgb, decode_image(data(name + ".expected.png")).rgb),
            allowed);
}

INSTANTIATE_TEST_SUITE_P(Cases, DecodeLikePillow,
                         testing::Values("decode_rgba.png", "decode_grey.png", "decode_grey_alpha.png",
                                         "decode_palette_transparent.png", "decode_rgb16.png",
                                         "decode_rgba.webp", "decode_exif.jpg"));

TEST(DecodeImage, KeepsTheOrderRgb) {
  TemporaryFolder folder;
  folder.write("p.ppm", std::string("P6\n2 1\n255\n") + std::string("\x01\x02\x03\xfa\xfb\xfc", 6));
  const at::Tensor rgb = decode_image(folder / "p.ppm").rgb;
  ASSERT_EQ(rgb.sizes(), at::IntArrayRef({1, 2, 3}));
  const std::vector<uint8_t> values(rgb.data_ptr<uint8_t>(), rgb.data_ptr<uint8_t>() + 6);
  EXPECT_THAT(values, ElementsAre(1, 2, 3, 250, 251, 252));
}

// --- damaged files ---

TEST(DecodeImage, NamesADamagedFile) {
  TemporaryFolder folder;
  folder.write("text.jpg", "this is no picture");
  folder.write("empty.png", "");
  std::ifstream whole(data("decode_exif.jpg"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(whole)), {});
  folder.write("whole.jpg", bytes + "bytes after the end mark");
  folder.write("cut.jpg", bytes.substr(0, bytes.size() - 40));
  std::ifstream png(data("crop_thin.image0.png"), std::ios::binary);
  const std::string png_bytes((std::istreambuf_iterator<char>(png)), {});
  folder.write("cut.png", png_bytes.substr(0, png_bytes.size() / 2));
  for (const char* name : {"text.jpg", "empty.png", "cut.png", "cut.jpg"}) {
    const std::string path = folder / name;
    EXPECT_THAT(error_of([&] { decode_image(path); }), HasSubstr(path));
  }
  EXPECT_THAT(error_of([&] { decode_image(folder / "cut.jpg"); }), HasSubstr("cut short"));
  EXPECT_THAT(error_of([&] { decode_image(folder / "none.png"); }), HasSubstr("No such file"));
  EXPECT_EQ(error_of([&] { decode_image(folder / "whole.jpg"); }), "no error");
}

// --- sizes, hand-worked: width x height -> width x height ---

struct SizeCase {
  int64_t w, h;
  Preprocess preprocess;
  int64_t side, to_w, to_h;
};

TEST(ResizedSize, FollowsTheOfficialRoundings) {
  constexpr Preprocess crop = Preprocess::kCrop, pad = Preprocess::kPad;
  const SizeCase cases[] = {
      {640, 480, crop, 518, 518, 392},  // 388.5 / 14 = 27.75 -> 28
      {518, 35, crop, 518, 518, 28},    // 2.5 patches: half to even, down
      {518, 49, crop, 518, 518, 56},    // 3.5 patches: half to even, up
      {518, 63, crop, 518, 518, 56},    // 4.5 patches: down
      {30, 60, crop, 518, 518, 1036},   // taller than wide: cropped later
      {100, 100, crop, 518, 518, 518}, {640, 480, pad, 518, 518, 392},
      {480, 640, pad, 518, 392, 518},                                   // the longer side is the height
      {35, 518, pad, 518, 28, 518},    {100, 100, pad, 518, 518, 518},  // a tie counts as wide
      {640, 480, crop, 224, 224, 168}, {1000, 20, crop, 518, 518, 14},  // 0.74 patches -> 1
      {2000, 20, crop, 518, 518, 0},  // less than half a patch: refused by prepare_image
  };
  for (const SizeCase& c : cases) {
    const Size got = resized_size({c.h, c.w}, c.preprocess, c.side);
    EXPECT_EQ(got, (Size{c.to_h, c.to_w}))
        << c.w << " x " << c.h << " at " << c.side << ": got " << got.width << " x " << got.height;
  }
  EXPECT_THAT(error_of([] {
                prepare_image(at::full({20, 2000, 3}, 9, at::kByte), Preprocess::kCrop, 518);
              }),
              HasSubstr("2000 x 20"));
}

TEST(PrepareImage, CropKeepsTheMiddleAndPadPutsTheSmallerHalfFirst) {
  // 28 x 98 at 28: already the width, 98 rows; the middle 28 start at row 35.
  at::Tensor tall = at::full({98, 28, 3}, 0, at::kByte);
  for (int64_t row = 0; row < 98; ++row) tall[row].fill_(row);
  const at::Tensor cropped = prepare_image(tall, Preprocess::kCrop, 28).image;
  ASSERT_EQ(cropped.sizes(), at::IntArrayRef({3, 28, 28}));
  EXPECT_EQ(cropped[0][0][0].item<int64_t>(), 35);
  EXPECT_EQ(cropped[2][27][27].item<int64_t>(), 62);
  // 42 x 14 at 42: 28 white rows, 14 above and 14 below; a frame of 28 x 42 among 42 x 42 likewise.
  const at::Tensor padded = prepare_image(at::full({14, 42, 3}, 7, at::kByte), Preprocess::kPad, 42).image;
  EXPECT_EQ(padded[0].select(1, 0).slice(0, 0, 14).min().item<int64_t>(), 255);
  EXPECT_EQ(padded[0].slice(0, 14, 28).max().item<int64_t>(), 7);
  EXPECT_EQ(padded[0].slice(0, 28, 42).min().item<int64_t>(), 255);
}

TEST(PrepareImage, SaysWhereThePictureWent) {
  const auto placement = [](int64_t h, int64_t w, Preprocess preprocess, int64_t side) {
    const Placement p = prepare_image(at::full({h, w, 3}, 9, at::kByte), preprocess, side).placement;
    return std::vector<int64_t>{
        p.original.height, p.original.width, p.resized.height, p.resized.width, p.top, p.left};
  };
  EXPECT_THAT(placement(98, 28, Preprocess::kCrop, 28), ElementsAre(98, 28, 98, 28, -35, 0));
  EXPECT_THAT(placement(14, 42, Preprocess::kPad, 42), ElementsAre(14, 42, 14, 42, 14, 0));
  EXPECT_THAT(placement(84, 28, Preprocess::kPad, 42), ElementsAre(84, 28, 42, 14, 0, 14));
  EXPECT_THAT(placement(30, 60, Preprocess::kCrop, 42),
              ElementsAre(30, 60, 28, 42, 0, 0));  // 21 rows: half to even
}

TEST(LoadImages, RefusesAnImageSizeThatIsNoMultipleOf14) {
  ImageOptions options;
  options.image_size = 500;
  EXPECT_THAT(error_of([&] {
                load_images({"", false, {data("decode_grey.png")}}, options);
              }),
              testing::AllOf(HasSubstr("image_size"), HasSubstr("14"), HasSubstr("500")));
}

TEST(WriteImages, HoldsTheFramesThatLoadImagesGives) {
  TemporaryFolder folder;
  ImageOptions options;
  const ImageList list{
      "", false, {data("mixed.image0.png"), data("mixed.image1.png"), data("crop_thin.image0.png")}};
  const Images loaded = load_images(list, options);
  const ImageFile file = write_images(list, options, folder / "frames");
  EXPECT_EQ(file.names, loaded.names);
  EXPECT_EQ(file.frame, (Size{loaded.frames.size(2), loaded.frames.size(3)}));
  EXPECT_EQ(read_images(file, 0, 3).sub(loaded.frames).abs().max().item<float>(), 0.f);
  EXPECT_EQ(read_images(file, 2, 1).sub(loaded.frames.narrow(0, 2, 1)).abs().max().item<float>(), 0.f);
  ASSERT_FALSE(file.sizes[2] == file.frame);  // of another size: white was added above
  EXPECT_EQ(file.placements[2].top, (file.frame.height - file.sizes[2].height) / 2);
  const ImageFile other = write_images({"", false, {list.paths[0]}}, options, folder / "other");
  EXPECT_NE(other.crc32, file.crc32);
  const ImageFile again = open_images(folder / "frames");
  EXPECT_EQ(again.names, file.names);
  EXPECT_EQ(again.frame, file.frame);
  EXPECT_TRUE(at::equal(read_images(again, 1, 2), read_images(file, 1, 2)));
  fs::resize_file(folder / "frames", fs::file_size(folder / "frames") - 1);
  EXPECT_THAT(error_of([&] { read_images(file, 0, 3); }), HasSubstr("frames: the file ended at offset "));
  EXPECT_THAT(error_of([&] { open_images(folder / "frames"); }), HasSubstr("the copy is probably cut short"));
}

// --- folders ---

TEST(ListImages, SortsBytewiseAndTakesTheFirstN) {
  TemporaryFolder folder;
  for (const char* name :
       {"b.png", "a.JPG", "B.png", "a10.png", "a2.png", "\xc3\xa9.png", ".hidden.png", "sub/c.png"}) {
    add_picture(folder, name);
  }
  folder.write("notes.txt", "no picture");
  EXPECT_THAT(names(list_images(folder.path())),
              ElementsAre("B.png", "a.JPG", "a10.png", "a2.png", "b.png", "\xc3\xa9.png"));
  EXPECT_THAT(names(list_images(folder.path(), 2)), ElementsAre("B.png", "a.JPG"));
  EXPECT_EQ(list_images(folder.path(), 99).paths.size(), 6u);
  EXPECT_FALSE(list_images(folder.path()).from_subfolder);
  EXPECT_THAT(error_of([&] { list_images(folder.path(), 0); }), HasSubstr("max_images"));
}

TEST(ListImages, TakesTheOnlySubfolderWithPictures) {
  TemporaryFolder folder;
  add_picture(folder, "images/1.png");
  fs::create_directories(folder / "empty");
  const ImageList list = list_images(folder.path());
  EXPECT_TRUE(list.from_subfolder);
  EXPECT_EQ(list.folder, folder / "images");
  EXPECT_THAT(names(list), ElementsAre("1.png"));
  add_picture(folder, "other/1.png");
  EXPECT_THAT(error_of([&] { list_images(folder.path()); }),
              testing::AllOf(HasSubstr("several subfolders"), HasSubstr("/images"), HasSubstr("/other")));
}

TEST(ListImages, SaysWhatIsWrongWithAFolder) {
  TemporaryFolder folder;
  EXPECT_THAT(error_of([&] { list_images(folder.path()); }), HasSubstr("no images"));
  EXPECT_THAT(error_of([&] { list_images(folder / "none"); }), HasSubstr("/none: no such folder"));
  EXPECT_THAT(error_of([&] { list_images(data("decode_grey.png")); }), HasSubstr("is a file"));
}

// --- the model's input ---

TEST(ModelInput, LayoutsAndNormalisation) {
  ImageOptions options;
  const at::Tensor frames = at::full({4, 3, 14, 28}, 0.5, at::kFloat);
  EXPECT_EQ(model_input(frames, 1, 2, options).sizes(), at::IntArrayRef({1, 2, 3, 14, 28}));
  EXPECT_EQ(model_input(frames, 1, 2, options)[0][0][0][0][0].item<float>(), 0.5f);
  options.layout = InputLayout::kBchw;
  options.mean = {0.25, 0.5, 0};
  options.std = {0.5, 2, 0.25};
  const at::Tensor x = model_input(frames, 0, 4, options);
  EXPECT_EQ(x.sizes(), at::IntArrayRef({4, 3, 14, 28}));
  EXPECT_EQ(x[3][0][0][0].item<float>(), 0.5f);  // (0.5 - 0.25) / 0.5
  EXPECT_EQ(x[3][1][0][0].item<float>(), 0.f);
  EXPECT_EQ(x[3][2][0][0].item<float>(), 2.f);
}

}  // namespace
}  // namespace vqt
