#include "eval/search/search.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>

#include "loader/cli/values.h"
#include "vqt/error.h"
#include "vqt/fields.h"

namespace vqt {
namespace {

constexpr size_t kShown = 3;  // combinations in one note

std::string trimmed(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

FieldInfo field_named(std::string name) {
  std::replace(name.begin(), name.end(), '-', '_');
  std::vector<std::string> names;
  for (const FieldInfo& field : config_fields()) {
    if (field.name == "name") continue;
    if (name == field.name || (!field.alias.empty() && name == field.alias)) return field;
    names.push_back(field.name);
  }
  if (name == "name") throw UsageError("--search: name: says what reports call a config, nothing to search");
  throw UsageError("--search: " + cli::no_such("field of the config", name, names));
}

std::vector<std::string> alternatives(const FieldInfo& field, const std::string& text) {
  if (field.kind == "list of objects") return {text};
  std::vector<std::string> values;
  for (size_t begin = 0; begin <= text.size();) {
    const bool pattern = field.kind == "list" && trimmed(text.substr(begin)).rfind("re:", 0) == 0;
    const size_t end = pattern ? text.size() : std::min(text.find(',', begin), text.size());
    values.push_back(trimmed(text.substr(begin, end - begin)));
    begin = end + 1;
  }
  return values;
}

// Errors of apply_flags speak of --group-size; here it is a value of --search.
std::string without_flags(std::string text, const FlagValues& flags) {
  for (const auto& [name, values] : flags) {
    const std::string flag = flag_name(name);
    for (size_t at = 0; (at = text.find(flag, at)) != std::string::npos;) text.replace(at, flag.size(), name);
  }
  return text;
}

// By itself, over a config in which the field has a meaning.
void check_value(const std::string& field, const std::string& value) {
  QuantizationConfig config;
  if (field == "sensitive_layers" || field == "sensitive_bits" || field == "normal_bits")
    config.quant_type = "mixed_precision";
  const FlagValues flags = {{field, {value}}};
  try {
    apply_flags(config, flags);
  } catch (const UsageError& e) {
    throw UsageError("--search: " + without_flags(e.what(), flags));
  }
}

struct Outcome {
  std::vector<Candidate> candidates;
  std::vector<std::string> contradictions;      // name (why)
  std::vector<std::string> repeated;            // name (that of the one that runs)
  std::map<std::string, std::string> resolved;  // config, name aside: the candidate's name
};

void try_combination(const Candidate& base, const FlagValues& flags, Outcome& outcome) {
  Candidate c = base;
  c.source = "search";
  for (const auto& [field, values] : flags) c.name += fmt::format(" {}={}", field, values[0]);
  try {
    apply_flags(c.config, flags);
  } catch (const UsageError& e) {
    outcome.contradictions.push_back(fmt::format("{} ({})", c.name, without_flags(e.what(), flags)));
    return;
  }
  c.config.name.clear();
  const auto [known, is_new] = outcome.resolved.emplace(resolved_json(c.config), c.name);
  if (!is_new) {
    outcome.repeated.push_back(fmt::format("{} ({})", c.name, known->second));
    return;
  }
  c.config.name = c.name;
  c.config.source = "--search: " + c.name;
  c.config.origins.clear();
  outcome.candidates.push_back(std::move(c));
}

// Every combination, the last field's values changing fastest.
void try_all(const Candidate& base, const std::vector<SearchField>& fields, FlagValues& flags,
             Outcome& outcome) {
  if (flags.size() == fields.size()) return try_combination(base, flags, outcome);
  const SearchField& field = fields[flags.size()];
  for (const std::string& value : field.values) {
    flags.emplace_back(field.name, std::vector<std::string>{value});
    try_all(base, fields, flags, outcome);
    flags.pop_back();
  }
}

void check_count(size_t bases, const std::vector<SearchField>& fields) {
  std::string product = std::to_string(bases);
  size_t count = bases;
  for (const SearchField& field : fields) {
    product += fmt::format(" x {} ({})", field.values.size(), field.name);
    count = std::min(count, kMostCandidates + 1) * std::min(field.values.size(), kMostCandidates + 1);
  }
  if (count > kMostCandidates) {
    throw UsageError(
        fmt::format("--search: expected at most {} combinations, got {}; search fewer values at once",
                    kMostCandidates, product));
  }
}

std::string counted(const std::vector<std::string>& combinations) {
  return fmt::format("{} combination{}", combinations.size(), combinations.size() == 1 ? "" : "s");
}

std::string first_of(const std::vector<std::string>& combinations) {
  const size_t shown = std::min(kShown, combinations.size());
  std::string text = fmt::format("{}", fmt::join(combinations.begin(), combinations.begin() + shown, "; "));
  if (combinations.size() > shown) text += fmt::format("; and {} more", combinations.size() - shown);
  return text;
}

}  // namespace

std::vector<SearchField> parse_search(const std::vector<std::string>& texts) {
  std::vector<SearchField> fields;
  for (const std::string& text : texts) {
    const size_t equals = text.find('=');
    if (equals == std::string::npos) {
      throw UsageError(
          fmt::format("--search: expected field=value,value,... such as group_size=32,64, got \"{}\"", text));
    }
    const FieldInfo info = field_named(trimmed(text.substr(0, equals)));
    auto field =
        std::find_if(fields.begin(), fields.end(), [&](const SearchField& f) { return f.name == info.name; });
    if (field == fields.end()) field = fields.insert(fields.end(), {info.name, {}});
    for (const std::string& value : alternatives(info, text.substr(equals + 1))) {
      check_value(info.name, value);
      const bool is_new = std::find(field->values.begin(), field->values.end(), value) == field->values.end();
      if (is_new) field->values.push_back(value);
    }
  }
  return fields;
}

void make_names_distinct(std::vector<Candidate>& candidates) {
  std::set<std::string> taken;
  for (Candidate& c : candidates) {
    const std::string base = c.name;
    for (int n = 2; !taken.insert(c.name).second; ++n) c.name = fmt::format("{}-{}", base, n);
  }
}

void add_combinations(std::vector<Candidate>& candidates, const std::vector<SearchField>& fields,
                      std::vector<std::string>& notes) {
  const auto is_base = [](const Candidate& c) { return c.source != "model"; };
  if (std::none_of(candidates.begin(), candidates.end(), is_base))
    candidates.push_back({"production", "preset", "production", QuantizationConfig::preset("production")});
  check_count(std::count_if(candidates.begin(), candidates.end(), is_base), fields);
  make_names_distinct(candidates);  // two files may have configs of one name
  Outcome outcome;
  for (const Candidate& c : candidates) {
    FlagValues flags;
    is_base(c) ? try_all(c, fields, flags, outcome) : outcome.candidates.push_back(c);
  }
  if (!outcome.contradictions.empty() && (fields.size() == 1 || outcome.resolved.empty())) {
    throw UsageError(fmt::format(
        "--search: {} the config's rules: {}",
        outcome.contradictions.size() == 1 ? "a combination contradicts" : "combinations contradict",
        first_of(outcome.contradictions)));
  }
  if (!outcome.contradictions.empty()) {
    notes.push_back(fmt::format("--search: left out, contradicts the config's rules: {}: {}",
                                counted(outcome.contradictions), first_of(outcome.contradictions)));
  }
  if (!outcome.repeated.empty()) {
    notes.push_back(fmt::format("--search: run once, same config as the one in brackets: {}: {}",
                                counted(outcome.repeated), first_of(outcome.repeated)));
  }
  candidates = std::move(outcome.candidates);
}

}  // namespace vqt
