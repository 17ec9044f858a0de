// By how much numbers of a file may be off, and which cameras that leaves in one place.
#include "eval/ground_truth/written_digits.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>

#include "eval/ground_truth/colmap.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

WrittenDigits digits_of(std::initializer_list<double> values) {
  WrittenDigits digits;
  for (const double v : values) digits.add(v);
  return digits;
}

TEST(WrittenDigits, HalfAUnitOfTheLastPlace) {
  // Four decimals, as TUM's; zeros at the end are not written but count.
  EXPECT_DOUBLE_EQ(digits_of({1.3405, 0.6266, -12.5017}).error(12.5), 0.00005);
  // Six digits, as of %g.
  EXPECT_NEAR(digits_of({0.123456, 1234.56, 3.5e-7}).error(1234.56), 0.005, 1e-12);
  // Kilometres with six decimals.
  EXPECT_DOUBLE_EQ(digits_of({0.0003, -0.000287}).error(0.0003), 0.5e-6);
  // All that a double holds.
  EXPECT_LT(digits_of({0.1 + 0.2, 1.0 / 3}).error(1.0 / 3), 1e-15);
  EXPECT_GT(digits_of({0.1 + 0.2, 1.0 / 3}).error(1.0 / 3), 0);
  // float32, with the digits of a double or with its own nine.
  EXPECT_NEAR(digits_of({static_cast<double>(0.3f), static_cast<double>(0.1f)}).error(0.3f), 0.3 / (1 << 24),
              1e-12);
  EXPECT_GE(digits_of({0.300000012, 0.100000001}).error(0.3), 0.3 / (1 << 24));
  // Typed by hand.
  EXPECT_EQ(digits_of({0.5, -1, 0.25}).error(1), 0);
}

using Format = std::function<std::string(double)>;

std::string printed(const char* format, double value) {
  char text[64];
  std::snprintf(text, sizeof text, format, value);
  return text;
}

// Whether COLMAP's text of two cameras leaves them apart: the first turned by 0.3 about y, the second by -0.2
// about x, at these places.
bool apart_as_text(const Vec3& first, const Vec3& second, const Format& number) {
  const Quaternion rotations[] = {{std::cos(0.15), 0, std::sin(0.15), 0},
                                  {std::cos(0.1), -std::sin(0.1), 0, 0}};
  const Vec3 centres[] = {first, second};
  std::string text;
  for (int i = 0; i < 2; ++i) {
    const Quaternion& q = rotations[i];
    const Vec3 t = rotate(q, centres[i]);
    text += std::to_string(i + 1);
    for (const double v : {q.w, q.x, q.y, q.z, -t[0], -t[1], -t[2]}) text += " " + number(v);
    text += " 1 " + std::to_string(i) + ".png\n\n";
  }
  const std::string path = (fs::temp_directory_path() / "vqt_written_digits_images.txt").string();
  std::ofstream(path) << text;
  const auto images = read_colmap_images(path);
  fs::remove(path);
  PictureTruth a, b;
  a.pose = images[0].pose;
  a.centre_error = images[0].centre_error;
  b.pose = images[1].pose;
  b.centre_error = images[1].centre_error;
  return apart(a, b);
}

TEST(WrittenDigits, CamerasThatTurnInOnePlaceAreNotApartInAnyUnitOrFormat) {
  struct Case {
    const char* name;
    Format number;
    double told_apart,
        in_units;  // a distance that the digits tell: this times the place, or in the file's unit
  };
  const Case cases[] = {
      {"%.17g", [](double v) { return printed("%.17g", v); }, 1e-12, 0},
      {"%.9g", [](double v) { return printed("%.9g", v); }, 1e-5, 0},
      {"%g", [](double v) { return printed("%g", v); }, 1e-4, 0},
      {"%.6f", [](double v) { return printed("%.6f", v); }, 1e-4, 1e-5},
      {"%.4f", [](double v) { return printed("%.4f", v); }, 1e-2, 1e-3},
      {"float", [](double v) { return printed("%.17g", static_cast<float>(v)); }, 1e-5, 0},
  };
  for (const Case& c : cases) {
    for (const double unit : {1.0, 1000.0, 0.001}) {  // metres, millimetres, kilometres
      const Vec3 place = {0.31 * unit, -0.27 * unit, 0.13 * unit};
      EXPECT_FALSE(apart_as_text(place, place, c.number)) << c.name << " " << unit;
      const Vec3 beside = {place[0] + c.told_apart * unit + c.in_units, place[1], place[2]};
      EXPECT_TRUE(apart_as_text(place, beside, c.number)) << c.name << " " << unit;
    }
  }
  // Far from the origin: metres of a map, a millimetre apart.
  const Format& exact = cases[0].number;
  EXPECT_TRUE(apart_as_text({4500000, 500000, 300}, {4500000.001, 500000, 300}, exact));
  EXPECT_FALSE(apart_as_text({4500000, 500000, 300}, {4500000, 500000, 300}, exact));
}

}  // namespace
}  // namespace vqt
