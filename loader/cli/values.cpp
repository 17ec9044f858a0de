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
