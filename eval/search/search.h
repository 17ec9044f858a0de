// --search field=values: a candidate for every combination of values with every config and preset given.
// Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/results/run_settings.h"

namespace vqt {

// One field and the values to try, in the order given.
struct SearchField {
  std::string name;
  std::vector<std::string> values;
};

// "group_size=32,64". Of a field whose value is a list each alternative is a list of one value, or an empty
// one; a pattern that begins with re: reaches to the end of the text, as do overrides. A field given twice is
// one with more values. Throws UsageError: no such field (with the nearest name), a value it does not take.
std::vector<SearchField> parse_search(const std::vector<std::string>& texts);

// Later ones of equal names get -2, -3, ... appended.
void make_names_distinct(std::vector<Candidate>& candidates);

constexpr size_t kMostCandidates = 200;

// Replaces each candidate that is not a model file by its combinations with the fields; without candidates
// the preset production is the base. A combination that contradicts the config's rules is left out, equal
// configs are run once, with a note for each. Throws UsageError: too many, or no combination left, or one of
// a single field that contradicts itself.
void add_combinations(std::vector<Candidate>& candidates, const std::vector<SearchField>& fields,
                      std::vector<std::string>& notes);

}  // namespace vqt
