#include "eval/ground_truth/written_digits.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace vqt {
namespace {

constexpr int kFewDigits = 4;
constexpr double kDoubleStep = 1e-15;  // a few roundings of double

// Of the shortest text that is read back as the same number: d.ddd * 10^exponent.
struct Decimal {
  int digits = 0, exponent = 0;
};

Decimal decimal_of(double value) {
  char text[32];
  const auto [end, error] =
      std::to_chars(text, text + sizeof text - 1, std::abs(value), std::chars_format::scientific);
  *end = 0;
  const char* e = std::find(text, end, 'e');
  return {static_cast<int>(e - text) - (std::find(text, end, '.') != end ? 1 : 0), std::atoi(e + 1)};
}

}  // namespace

void WrittenDigits::add(double value) {
  if (value == 0 || !std::isfinite(value)) return;
  const Decimal d = decimal_of(value);
  most_digits_ = std::max(most_digits_, d.digits);
  most_decimals_ = std::max(most_decimals_, d.digits - 1 - d.exponent);
  all_float_ = all_float_ && static_cast<double>(static_cast<float>(value)) == value;
}

void WrittenDigits::add(const Vec3& values) {
  for (const double v : values) add(v);
}

double WrittenDigits::error(double value) const {
  if (most_digits_ < kFewDigits && most_decimals_ < kFewDigits) return 0;
  const double size = std::abs(value);
  if (!(size > 0)) return 0.5 * std::pow(10, -most_decimals_);
  // A fixed number of decimals (0.300000) or of digits (3.00000e-01): whichever is coarser here, as zeros at
  // the end leave no trace in a number.
  const double last =
      std::max(std::pow(10, -most_decimals_), std::pow(10, std::floor(std::log10(size)) + 1 - most_digits_));
  const double step = single_precision() ? kFloatStep : kDoubleStep;
  return std::max(0.5 * last, step * size);
}

double WrittenDigits::error(const Vec3& values) const {
  double squares = 0;
  for (const double v : values) squares += error(v) * error(v);
  return std::sqrt(squares);
}

}  // namespace vqt
