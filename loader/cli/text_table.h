// Rows of text as aligned columns.
#pragma once

#include <string>
#include <vector>

namespace vqt {

// The first row is the header. The first column is left-aligned, the others right; where a line would be
// longer than width, the first column's texts lose their middle, or, where they are several words, get a line
// of their own above their row. Counts UTF-8 characters, not bytes.
std::string text_table(const std::vector<std::vector<std::string>>& rows, size_t width = 100);

// In UTF-8 characters.
size_t text_length(const std::string& text);

// n characters at most; what is too long loses its middle.
std::string shortened(const std::string& text, size_t n);

// Lines longer than width are broken at spaces, and within words that are longer; the rest is indented.
std::string wrapped(const std::string& text, size_t indent = 4, size_t width = 100);

}  // namespace vqt
