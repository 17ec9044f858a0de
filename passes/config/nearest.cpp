// Edit distances by dynamic programming, one row at a time.
#include "vqt/nearest.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace vqt {
namespace {

// Last row of the table of distances between word and every prefix of text; free_start: or every substring's
// end.
std::vector<size_t> last_row(const std::string& word, const std::string& text, bool free_start) {
  std::vector<size_t> row(text.size() + 1);
  if (!free_start) std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 0; i < word.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i + 1;
    for (size_t j = 0; j < text.size(); ++j) {
      const size_t replaced = diagonal + (word[i] != text[j]);
      diagonal = row[j + 1];
      row[j + 1] = std::min({replaced, row[j] + 1, diagonal + 1});
    }
  }
  return row;
}

}  // namespace

size_t edit_distance(const std::string& a, const std::string& b) { return last_row(a, b, false).back(); }

size_t substring_distance(const std::string& word, const std::string& text) {
  const std::vector<size_t> row = last_row(word, text, true);
  return *std::min_element(row.begin(), row.end());
}

std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates) {
  const auto rank = [&](const std::string& name) {
    const bool shortened = word.size() > 2 && name.find(word) != std::string::npos;  // int4 of int4-g64
    return std::make_pair(!shortened, edit_distance(word, name));
  };
  const auto best = std::min_element(candidates.begin(), candidates.end(),
                                     [&](const auto& a, const auto& b) { return rank(a) < rank(b); });
  return best == candidates.end() ? "" : *best;
}

}  // namespace vqt
