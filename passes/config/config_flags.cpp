// Flags over a config from a file or a preset. Fields that contradict a flag are derived again.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <map>
#include <type_traits>

#include "passes/config/config_checks.h"
#include "passes/config/config_json.h"
#include "vqt/error.h"
#include "vqt/nearest.h"

namespace vqt {
namespace {

const char* kind(const std::string&) { return "text"; }
const char* kind(int64_t) { return "integer"; }
const char* kind(bool) { return "true|false"; }
const char* kind(ActivationMode) { return "text"; }
const char* kind(const std::vector<std::string>&) { return "list"; }
const char* kind(const std::vector<Override>&) { return "list of objects"; }
template <class T>
const char* kind(const std::optional<T>&) {
  return kind(T());
}

std::string trim(const std::string& text) {
  const size_t begin = text.find_first_not_of(" \t");
  if (begin == std::string::npos) return "";
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

Json list_of(const std::vector<std::string>& values) {
  Json list = Json::array();
  for (const std::string& value : values) {
    for (size_t begin = 0; begin < value.size();) {
      const bool regex = trim(value.substr(begin)).rfind("re:", 0) == 0;  // may hold commas of its own
      const size_t end = regex ? value.size() : std::min(value.find(',', begin), value.size());
      const std::string item = trim(value.substr(begin, end - begin));
      if (!item.empty()) list.push_back(item);
      begin = end + 1;
    }
  }
  return list;
}

Json flag_value(const std::string& flag, const std::string& kind, const std::vector<std::string>& values) {
  if (kind == "list") return list_of(values);
  if (values.size() != 1) {
    throw UsageError(fmt::format("{}: expected one value, got {}", flag, values.size()));
  }
  const std::string value = trim(values[0]);
  if (kind == "list of objects") return parse_json(value, flag);
  if (kind == "true|false") {
    if (value == "true" || value == "false") return value == "true";
    throw UsageError(fmt::format("{}: expected true or false, got \"{}\"", flag, value));
  }
  if (kind == "integer") {
    char* end = nullptr;
    errno = 0;
    const long long number = std::strtoll(value.c_str(), &end, 10);
    if (value.empty() || *end || errno) {
      throw UsageError(fmt::format("{}: expected an integer, got \"{}\"", flag, value));
    }
    return static_cast<int64_t>(number);
  }
  return value;
}

bool contradicts(const QuantizationConfig& config) {
  try {
    check_given_pairs(config);
    return false;
  } catch (const UsageError&) {
    return true;
  }
}

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

// Puts scheme flags over the scheme fields of a config. Fields that contradict a flag are derived again.
void put_scheme_over(QuantizationConfig& config, const QuantizationConfig& given) {
  QuantizationConfig merged = config;
  visit_scheme_fields(merged, given, [](const Field&, auto& field, const auto& value) {
    if (value) field = value;
  });
  if (contradicts(merged)) {
    if (is_mixed(given)) {  // only bits cannot stay
      merged.bits.reset();
    } else {
      static_cast<SchemeFields&>(merged) = fields_of(derive_scheme(resolve_scheme(config), given));
    }
  }
  static_cast<SchemeFields&>(config) = merged;
}

// A field that is put over a config.
struct GivenField {
  std::string label;  // as errors name it
  Json value;
  std::string text;  // the value as reports show it
};

// Reports call a changed preset by its name and its changes: "production activation=none".
void name_changes(QuantizationConfig& config, const Json& before,
                  const std::map<std::string, GivenField>& fields) {
  const std::vector<std::string>& presets = preset_names();
  if (std::find(presets.begin(), presets.end(), config.name) == presets.end()) return;
  const Json after = canonical_json(config);
  const auto member = [](const Json& object, const char* name) { return object.value(name, Json()); };
  std::string changes;
  visit_fields(config, [&](const Field& field, auto& value) {
    const auto given = fields.find(field.name);
    if (given == fields.end() || std::string_view(field.name) == "device") return;
    bool same = member(before, field.name) == member(after, field.name);
    if constexpr (is_optional<std::decay_t<decltype(value)>>::value) {  // bits=8 over a preset of 8 bits
      same = true;
      visit_scheme_fields(config, [&](const Field& other, auto&) {
        same = same && member(before, other.name) == member(after, other.name);
      });
    }
    if (!same) changes += fmt::format(" {}={}", field.name, given->second.text);
  });
  config.name += changes;
}

// fields: by their names.
void put_over(QuantizationConfig& config, const std::map<std::string, GivenField>& fields) {
  const Json before = canonical_json(config);
  QuantizationConfig given;  // the scheme fields among them
  const auto take = [&](const Field& field, auto& member) {
    const auto found = fields.find(field.name);
    if (found == fields.end()) return;
    read(found->second.label, found->second.value, member);
    config.origins[field.name] = given.origins[field.name] = found->second.label;
  };
  visit_scheme_fields(given, take);
  visit_fields(config, [&](const Field& field, auto& member) {
    if constexpr (!is_optional<std::decay_t<decltype(member)>>::value) take(field, member);
  });
  expand_shorthand(given, config, fields.count("activation") > 0);
  check_given_pairs(given);
  put_scheme_over(config, given);
  if (fields.count("sensitive_layers")) config.sensitive_layers_given = true;
  if (before["quant_type"] == "mixed_precision" && !is_mixed(config)) {
    const QuantizationConfig defaults;  // left over from a file: they mean nothing now
    if (!fields.count("sensitive_layers")) {
      config.sensitive_layers = defaults.sensitive_layers;
      config.sensitive_layers_given = false;
    }
    if (!fields.count("sensitive_bits")) config.sensitive_bits = defaults.sensitive_bits;
    if (!fields.count("normal_bits")) config.normal_bits = defaults.normal_bits;
  }
  expand_shorthands_in_overrides(config);
  validate(config);
  if (!fields.count("name")) name_changes(config, before, fields);
}

// "4", "false", "head,fc1".
std::string value_text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array() || (!value.empty() && value[0].is_object())) return value.dump();
  return fmt::format("{}", fmt::join(value.get<std::vector<std::string>>(), ","));
}

}  // namespace

std::vector<FieldInfo> config_fields() {
  std::vector<FieldInfo> list;
  const QuantizationConfig defaults;
  visit_fields(defaults, [&](const Field& f, const auto& member) {
    list.push_back({f.name, f.alias, kind(member), f.initial, allowed_values(f.allowed), f.help});
  });
  return list;
}

std::string flag_name(std::string field) {
  std::replace(field.begin(), field.end(), '_', '-');
  return "--" + field;
}

void apply_flags(QuantizationConfig& config, const FlagValues& flags) {
  std::vector<std::string> names;
  for (const FieldInfo& field : config_fields()) {
    names.push_back(field.name);
    if (!field.alias.empty()) names.push_back(field.alias);
  }
  for (const auto& [name, unused] : flags) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw UsageError(fmt::format("{}: no such field; nearest: {}", flag_name(name),
                                   flag_name(nearest_name(name, names))));
    }
  }
  std::map<std::string, GivenField> fields;
  for (const FieldInfo& field : config_fields()) {
    std::string flag;
    std::vector<std::string> values;
    for (const auto& [name, list] : flags) {
      if (name != field.name && name != field.alias) continue;
      flag = flag_name(name);
      values.insert(values.end(), list.begin(), list.end());
    }
    if (!flag.empty())
      fields[field.name] = {flag, flag_value(flag, field.kind, values),
                            fmt::format("{}", fmt::join(values, ","))};
  }
  put_over(config, fields);
}

void replace_fields(QuantizationConfig& config, const std::string& text, const std::string& source) {
  const Json json = parse_json(text, source);
  QuantizationConfig unused;
  read_config(source + ": ", json, unused);  // names and types
  std::map<std::string, GivenField> fields;
  for (const FieldInfo& field : config_fields()) {
    for (const std::string& name : {field.name, field.alias}) {
      if (!name.empty() && json.contains(name))
        fields[field.name] = {fmt::format("{}: {}", source, name), json.at(name), value_text(json.at(name))};
    }
  }
  put_over(config, fields);
}

}  // namespace vqt
