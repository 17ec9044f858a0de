// Values of flags: text to numbers and enums and back, with errors that say flag, what was expected and what came.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace vqt::cli {

inline constexpr int64_t kMany = int64_t{1} << 40;  // more than there is of anything

struct IntegerRange {
  int64_t low, high = kMany;  // kMany: errors name no upper bound
  int64_t step = 1;           // multiples of it
};
struct NumberRange {
  double low, high;
};
std::string expected_text(IntegerRange range);  // "an integer of at least 1", "a multiple of 14"
std::string expected_text(NumberRange range);   // "a number from -1 to 1"

// "FLAG: expected WHAT, got "x"": numbers without quotes.
[[noreturn]] void refuse_value(const std::string& flag, const std::string& expected, const std::string& got);
// The whole text is a finite number.
bool parse_number(const std::string& text, double& value);
// Neither spaces nor anything else around the number; no NaN, no Inf. Throw UsageError.
int64_t integer_value(const std::string& flag, const std::string& text, IntegerRange range);
double number_value(const std::string& flag, const std::string& text, NumberRange range);

// "1,2,4": at least one number.
std::vector<int64_t> integers_value(const std::string& flag, const std::string& text, IntegerRange range);
// "518x392".
struct PixelSize {
  int64_t width, height;
};
PixelSize pixel_size_value(const std::string& flag, const std::string& text);
// "8G", "500M", "7.5GiB": bytes; K, M, G, T are powers of 1000, KiB, MiB, GiB, TiB of 1024.
int64_t bytes_value(const std::string& flag, const std::string& text);

// Underscores become hyphens: the spelling of a flag that is shown.
std::string hyphens(std::string name);

// "--frmes: no such flag; nearest: --frames".
std::string no_such(const std::string& what, const std::string& name, const std::vector<std::string>& known);

// The values of an enum and their names.
template <class T>
using ValueNames = std::vector<std::pair<std::string, T>>;

template <class T>
std::vector<std::string> names_in(const ValueNames<T>& values) {
  std::vector<std::string> names;
  for (const auto& [name, unused] : values) names.push_back(name);
  return names;
}

template <class T>
std::string joined_names(const ValueNames<T>& values, const std::string& separator) {
  std::string text;
  for (const auto& [name, unused] : values) text += (text.empty() ? "" : separator) + name;
  return text;
}

template <class T>
std::string name_of(T value, const ValueNames<T>& values) {
  for (const auto& [name, named] : values) {
    if (named == value) return name;
  }
  return "";
}

// Index of name, whatever its case; throws UsageError with the nearest one.
size_t index_named(const std::string& flag, const std::string& name, const std::vector<std::string>& names);

template <class T>
T value_named(const std::string& name, const ValueNames<T>& values, const std::string& flag) {
  return values[index_named(flag, name, names_in(values))].second;
}

}  // namespace vqt::cli
