// Rows of text as aligned columns.
#pragma once

#include <string>
#include <vector>

namespace vqt::cli {

struct TableStyle {
  size_t width = 100;       // of a line; kAnyWidth: no text is shortened
  size_t left_columns = 1;  // from the left; the others are aligned to the right
};
inline constexpr size_t kAnyWidth = std::string::npos;

// Where a line would be longer than the width, the first column's texts lose their middle, or, where they are
// several words, get a line of their own above their row. Counts UTF-8 characters, not bytes.
std::string text_table(const std::vector<std::vector<std::string>>& rows, TableStyle style = {});

// In UTF-8 characters.
size_t text_length(const std::string& text);

// n characters at most; what is too long loses its middle.
std::string shortened(const std::string& text, size_t n);

// Lines longer than width are broken at spaces, and within words that are longer; the rest is indented.
std::string wrapped(const std::string& text, size_t indent = 4, size_t width = 100);

}  // namespace vqt::cli
