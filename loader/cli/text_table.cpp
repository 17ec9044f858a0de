#include "loader/cli/text_table.h"

#include <algorithm>

namespace vqt::cli {
namespace {

constexpr const char* kGap = "  ";

size_t length(const std::string& text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

// The first (or, from the back, the last) n characters.
std::string head(const std::string& text, size_t n) {
  size_t at = 0;
  for (; at < text.size(); ++at) {
    if ((text[at] & 0xc0) != 0x80 && n-- == 0) break;
  }
  return text.substr(0, at);
}

}  // namespace

size_t text_length(const std::string& text) { return length(text); }

std::string shortened(const std::string& text, size_t width) {
  const size_t n = length(text);
  if (n <= width) return text;
  if (width < 5) return head(text, width);
  const size_t front = (width - 2) / 2, back = width - 2 - front;
  return head(text, front) + ".." + text.substr(head(text, n - back).size());
}

std::string wrapped(const std::string& text, size_t indent, size_t width) {
  std::string result;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    std::string line = text.substr(begin, end - begin);
    begin = end + 1;
    while (length(line) > width) {
      const std::string start = head(line, width);
      const size_t space = start.rfind(' ');
      const bool breaks =
          space != std::string::npos && start.find_first_not_of(' ') < space && space > indent;
      const size_t cut = breaks ? space : start.size();
      result += line.substr(0, cut) + "\n";
      line = std::string(indent, ' ') + line.substr(cut + (breaks ? 1 : 0));
    }
    result += line + "\n";
  }
  return result;
}

std::string text_table(const std::vector<std::vector<std::string>>& rows, TableStyle style) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t c = 0; c < row.size(); ++c) widths[c] = std::max(widths[c], length(row[c]));
  }
  size_t others = 0;
  for (size_t c = 1; c < widths.size(); ++c) others += 2 + widths[c];
  if (!widths.empty() && widths[0] + others > style.width) {
    widths[0] = std::max<size_t>(8, style.width > others ? style.width - others : 0);
  }
  std::string result;
  for (const auto& row : rows) {
    const bool above = !row.empty() && length(row[0]) > widths[0] && row[0].find(' ') != std::string::npos;
    if (above) result += shortened(row[0], style.width) + "\n";
    std::string line;
    for (size_t c = 0; c < row.size(); ++c) {
      const std::string cell = c > 0 ? row[c] : above ? "" : shortened(row[c], widths[0]);
      const std::string space(widths[c] - std::min(widths[c], length(cell)), ' ');
      line += (c > 0 ? kGap : "") + (c < style.left_columns ? cell + space : space + cell);
    }
    result += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
  }
  return result;
}

}  // namespace vqt::cli
