#include "loader/cli/units.h"

#include <fmt/format.h>

namespace vqt::cli {
namespace {

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

std::string three_digits(double value) {
  return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

std::string bytes_text(int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  if (bytes < 999'500) return three_digits(static_cast<double>(bytes) / 1e3) + " kB";
  if (bytes < 999'500'000) return three_digits(static_cast<double>(bytes) / 1e6) + " MB";
  return grouped((bytes + 500'000) / 1'000'000) + " MB";
}

std::string megabytes(int64_t bytes) { return three_digits(static_cast<double>(bytes) / 1e6); }

std::string milliseconds(double ms) { return three_digits(ms); }

std::string ratio_text(int64_t before, int64_t after) {
  if (after <= 0 || before <= 0) return "";
  const double ratio = static_cast<double>(before) / static_cast<double>(after);
  return ratio >= 1 ? fmt::format("{:.2f}x smaller", ratio) : fmt::format("{:.2f}x larger", 1 / ratio);
}

}  // namespace vqt::cli
