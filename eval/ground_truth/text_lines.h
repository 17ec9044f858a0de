// A text file of numbers and words: one line after the other, any amount of white space between. Lines that
// begin with # are comments. Errors name file, line and field.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "vqt/error.h"

namespace vqt {

enum class Finite { kNeeded, kNotNeeded };

class TextLines {
 public:
  explicit TextLines(const std::string& path) : path_(path), file_(path) {
    if (!file_) throw Error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  }

  // The next line as it is. False at the end.
  bool next() {
    if (!std::getline(file_, line_)) {
      if (file_.bad()) throw Error(fmt::format("{}: cannot be read: {}", path_, std::strerror(errno)));
      return false;
    }
    if (!line_.empty() && line_.back() == '\r') line_.pop_back();
    rest_ = line_;
    if (++number_ == 1 && rest_.substr(0, 3) == "\xEF\xBB\xBF") rest_.remove_prefix(3);  // of UTF-8
    return true;
  }

  // The next line that is neither empty nor a comment.
  bool next_record() {
    while (next()) {
      skip_space();
      if (!rest_.empty() && rest_[0] != '#') return true;
    }
    return false;
  }

  bool at_end() {
    skip_space();
    return rest_.empty();
  }

  std::string word(const char* what) {
    if (at_end()) fail(fmt::format("{} is missing", what));
    const std::string_view found = rest_.substr(0, std::min(rest_.find_first_of(" \t"), rest_.size()));
    rest_.remove_prefix(found.size());
    return std::string(found);
  }

  // All that is left, spaces inside included.
  std::string remainder(const char* what) {
    if (at_end()) fail(fmt::format("{} is missing", what));
    std::string found(rest_.substr(0, rest_.find_last_not_of(" \t") + 1));
    rest_ = {};
    return found;
  }

  template <class Number>
  Number number(const char* what, Finite finite = Finite::kNeeded) {
    const std::string text = word(what);
    Number value{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool good = error == std::errc() && end == text.data() + text.size();
    if constexpr (std::is_floating_point_v<Number>)
      good = good && (finite == Finite::kNotNeeded || std::isfinite(value));
    if (!good) {
      fail(fmt::format("{}: expected {}, got {}", what,
                       std::is_floating_point_v<Number> ? "a finite number" : "a whole number", text));
    }
    return value;
  }

  [[noreturn]] void fail(const std::string& what) const {
    throw Error(fmt::format("{}:{}: {}", path_, number_, what));
  }

 private:
  void skip_space() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  std::string path_, line_;
  std::string_view rest_;
  std::ifstream file_;
  int64_t number_ = 0;
};

}  // namespace vqt
