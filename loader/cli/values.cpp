#include "loader/cli/values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>

#include "vqt/error.h"
#include "vqt/nearest.h"

namespace vqt::cli {
namespace {

// The whole text is the number.
template <class T>
bool parse(const std::string& text, T& value) {
  const char* end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  return error == std::errc() && stop == end;
}

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

}  // namespace

std::string expected_text(IntegerRange range) {
  const bool bounded = range.high < kMany;
  const std::string kind = range.step > 1 ? fmt::format("a multiple of {}", range.step) : "an integer";
  if (bounded) return fmt::format("{} from {} to {}", kind, range.low, range.high);
  return range.step > 1 && range.low == range.step ? kind : fmt::format("{} of at least {}", kind, range.low);
}

std::string expected_text(NumberRange range) {
  return fmt::format("a number from {} to {}", range.low, range.high);
}

bool parse_number(const std::string& text, double& value) {
  return parse(text, value) && std::isfinite(value);
}

void refuse_value(const std::string& flag, const std::string& expected, const std::string& got) {
  double number = 0;
  const bool bare = parse_number(got, number);
  throw UsageError(fmt::format("{}: expected {}, got {}", flag, expected, bare ? got : '"' + got + '"'));
}

int64_t integer_value(const std::string& flag, const std::string& text, IntegerRange range) {
  int64_t value = 0;
  if (!parse(text, value) || value < range.low || value > range.high || value % range.step != 0)
    refuse_value(flag, expected_text(range), text);
  return value;
}

double number_value(const std::string& flag, const std::string& text, NumberRange range) {
  double value = 0;
  if (!parse_number(text, value) || value < range.low || value > range.high)
    refuse_value(flag, expected_text(range), text);
  return value;
}

std::vector<int64_t> integers_value(const std::string& flag, const std::string& text, IntegerRange range) {
  std::vector<int64_t> values;
  for (size_t begin = 0; begin <= text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    values.push_back(integer_value(flag, text.substr(begin, end - begin), range));
    begin = end + 1;
  }
  return values;
}

PixelSize pixel_size_value(const std::string& flag, const std::string& text) {
  constexpr int64_t kMost = 1 << 16;
  const size_t x = text.find('x');
  PixelSize size{0, 0};
  const bool read = x != std::string::npos && parse(text.substr(0, x), size.width) &&
                    parse(text.substr(x + 1), size.height);
  if (!read || std::min(size.width, size.height) < 1 || std::max(size.width, size.height) > kMost)
    refuse_value(flag, "WIDTHxHEIGHT in pixels such as 518x392", text);
  return size;
}

int64_t bytes_value(const std::string& flag, const std::string& text) {
  static const ValueNames<double> kUnits = {{"", 1},         {"K", 1e3},      {"M", 1e6},
                                            {"G", 1e9},      {"T", 1e12},     {"KiB", 0x1p10},
                                            {"MiB", 0x1p20}, {"GiB", 0x1p30}, {"TiB", 0x1p40}};
  const size_t digits = std::min(text.find_first_not_of("0123456789."), text.size());
  const std::string unit = text.substr(digits);
  double number = 0;
  const auto known =
      std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) { return u.first == unit; });
  if (!parse_number(text.substr(0, digits), number) || known == kUnits.end() || number * known->second < 1 ||
      number * known->second > 1e18)
    refuse_value(flag, "a number of bytes such as 8G, 500M or 7.5GiB", text);
  return static_cast<int64_t>(number * known->second);
}

std::string hyphens(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

std::string no_such(const std::string& what, const std::string& name, const std::vector<std::string>& known) {
  return fmt::format("{}: no such {}; nearest: {}", name, what, nearest_name(name, known));
}

size_t index_named(const std::string& flag, const std::string& name, const std::vector<std::string>& names) {
  const auto found = std::find(names.begin(), names.end(), lower(name));
  if (found == names.end()) {
    throw UsageError(fmt::format("{}: expected one of {}, got \"{}\"; nearest: {}", flag,
                                 fmt::join(names, ", "), name, nearest_name(lower(name), names)));
  }
  return static_cast<size_t>(found - names.begin());
}

}  // namespace vqt::cli
