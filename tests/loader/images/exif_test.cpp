// Orientations of JPEG files, whole and damaged.
#include "loader/images/exif.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

namespace vqt {
namespace {

int orientation(const std::string& bytes) {
  const std::string path = testing::TempDir() + "vqt_exif_test.jpg";
  std::ofstream(path, std::ios::binary) << bytes;
  const int value = exif_orientation(path);
  std::remove(path.c_str());
  return value;
}

std::string segment(char kind, const std::string& content) {
  const size_t n = content.size() + 2;
  return std::string("\xff") + kind + static_cast<char>(n >> 8) + static_cast<char>(n & 255) + content;
}

// Two entries, the orientation last.
std::string tiff(bool little, int value) {
  const auto number = [&](int n, size_t bytes) {
    std::string text;
    for (size_t i = 0; i < bytes; ++i)
      text += static_cast<char>(n >> (8 * (little ? i : bytes - 1 - i)) & 255);
    return text;
  };
  return (little ? "II" : "MM") + number(42, 2) + number(8, 4) + number(2, 2) + number(0x010f, 2) +
         number(2, 2) + number(4, 4) + number(0, 4) + number(0x0112, 2) + number(3, 2) + number(1, 4) +
         number(value, 2) + number(0, 2);
}

std::string jpeg(const std::string& tiff) {
  return "\xff\xd8" + segment('\xe0', std::string("JFIF\0", 5)) +
         segment('\xe1', std::string("Exif\0\0", 6) + tiff) + segment('\xda', "coded");
}

TEST(ExifOrientation, IsReadInBothByteOrders) {
  EXPECT_EQ(orientation(jpeg(tiff(true, 6))), 6);
  EXPECT_EQ(orientation(jpeg(tiff(false, 8))), 8);
  EXPECT_EQ(orientation(jpeg(tiff(false, 1))), 1);
}

TEST(ExifOrientation, IsFoundBehindFillBytes) {
  const std::string plain = jpeg(tiff(true, 6));
  EXPECT_EQ(orientation(plain.substr(0, 2) + "\xff\xff\xff" + plain.substr(2)), 6);
}

TEST(ExifOrientation, IsOneWhereThereIsNone) {
  EXPECT_EQ(orientation(""), 1);
  EXPECT_EQ(orientation("\x89PNG"), 1);
  EXPECT_EQ(orientation("\xff\xd8" + segment('\xda', "coded")), 1);
  EXPECT_EQ(orientation(jpeg(tiff(true, 9))), 1);
  EXPECT_EQ(exif_orientation("/no/such/file"), 1);
  const std::string whole = jpeg(tiff(true, 6));
  for (size_t n = 0; n < whole.size(); ++n) orientation(whole.substr(0, n));  // sanitizers watch
  std::string far = whole;
  far.replace(far.find("II") + 4, 4, "\xff\xff\xff\xff");
  EXPECT_EQ(orientation(far), 1);
}

}  // namespace
}  // namespace vqt
