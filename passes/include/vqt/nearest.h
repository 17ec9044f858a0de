// Nearest known names, for errors about unknown names.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace vqt {

// Levenshtein distance: insertions, deletions and substitutions of one character.
size_t edit_distance(const std::string& a, const std::string& b);
// The same against the best substring of text: 0 where text contains word.
size_t substring_distance(const std::string& word, const std::string& text);
// The candidate with the smallest edit distance (the first of several), of those that contain the word where some do;
// "" without candidates.
std::string nearest_name(const std::string& word, const std::vector<std::string>& candidates);

}  // namespace vqt
