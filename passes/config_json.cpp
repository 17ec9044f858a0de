// A config from JSON and from flags, and back to JSON. All of it walks the field list in vqt/fields.h.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <nlohmann/json.hpp>
#include <set>
#include <type_traits>

#include "config_checks.h"
#include "vqt/fields.h"
#include "vqt/nearest.h"

namespace vqt {
namespace {

using Json = nlohmann::ordered_json;

[[noreturn]] void wrong_type(const std::string& where, const char* expected, const Json& got) {
  std::string text = got.is_array() ? "a list" : got.is_object() ? "an object" : got.dump();
  throw ConfigError(fmt::format("{}: expected {}, got {}", where, expected, text));
}

const char* kind(const std::string&) { return "text"; }
const char* kind(int64_t) { return "integer"; }
const char* kind(bool) { return "true|false"; }
const char* kind(Activation) { return "text"; }
const char* kind(const std::vector<std::string>&) { return "list"; }
const char* kind(const std::vector<Override>&) { return "list of objects"; }
template <class T>
const char* kind(const std::optional<T>&) {
  return kind(T());
}

// ---- JSON value -> member; `where` is the field as error messages name it
void read(const std::string& where, const Json& json, std::string& value) {
  if (!json.is_string()) wrong_type(where, "a string", json);
  value = json.get<std::string>();
}

void read(const std::string& where, const Json& json, bool& value) {
  if (!json.is_boolean()) wrong_type(where, "true or false", json);
  value = json.get<bool>();
}

void read(const std::string& where, const Json& json, int64_t& value) {
  const bool fits =
      json.is_number_integer() &&
      !(json.is_number_unsigned() && json.get<uint64_t>() > uint64_t{std::numeric_limits<int64_t>::max()});
  if (!fits) wrong_type(where, "an integer", json);
  value = json.get<int64_t>();
}

void read(const std::string& where, const Json& json, Activation& value) {
  std::string word;
  read(where, json, word);
  for (const Activation a : {Activation::kDynamic, Activation::kStatic, Activation::kNone}) {
    if (word == to_string(a)) {
      value = a;
      return;
    }
  }
  throw ConfigError(fmt::format("{}: expected one of dynamic, static, none, got \"{}\"; nearest: {}", where,
                                word, nearest_name(word, {"dynamic", "static", "none"})));
}

void read(const std::string& where, const Json& json, std::vector<std::string>& value) {
  if (!json.is_array()) wrong_type(where, "a list of strings", json);
  value.clear();
  for (size_t i = 0; i < json.size(); ++i)
    read(fmt::format("{}[{}]", where, i), json[i], value.emplace_back());
}

template <class T>
void read(const std::string& where, const Json& json, std::optional<T>& value) {
  read(where, json, value.emplace());
}

void read(const std::string& where, const Json& json, std::vector<Override>& value);

// The fields of an object, one by one: what no field is called is an error with the nearest name.
template <class VisitFields>
void read_fields(const std::string& where, const Json& object, VisitFields&& visit) {
  std::vector<std::string> names;
  std::set<std::string> known;
  visit([&](const Field& field, auto& member) {
    names.push_back(field.name);
    const bool by_name = object.contains(field.name);
    const bool by_alias = *field.alias && object.contains(field.alias);
    known.insert({field.name, field.alias});
    if (by_name && by_alias) {
      throw ConfigError(
          fmt::format("{}{}: the same field is given as {} too", where, field.alias, field.name));
    }
    if (!by_name && !by_alias) return;
    const char* name = by_name ? field.name : field.alias;
    read(where + name, object.at(name), member);
  });
  for (const auto& [key, unused] : object.items()) {
    if (known.count(key) && !key.empty()) continue;
    for (const FieldInfo& field : config_fields()) {  // only ever true in overrides
      if (key == field.name) {
        throw ConfigError(fmt::format("{}{}: holds for the whole config only; sites can have {}", where, key,
                                      fmt::join(names, ", ")));
      }
    }
    throw ConfigError(fmt::format("{}{}: no such field; nearest: {}", where, key.empty() ? "\"\"" : key,
                                  nearest_name(key, names)));
  }
}

void read(const std::string& where, const Json& json, std::vector<Override>& value) {
  if (!json.is_array()) wrong_type(where, "a list of objects", json);
  value.clear();
  for (size_t i = 0; i < json.size(); ++i) {
    const std::string path = fmt::format("{}[{}]", where, i);
    if (!json[i].is_object()) wrong_type(path, "an object with targets and fields of a scheme", json[i]);
    Override& o = value.emplace_back();
    read_fields(path + ".", json[i], [&](auto&& visitor) {
      visitor(Field{"targets", "", "", "", ""}, o.targets);
      visit_scheme_fields(o, visitor);
    });
  }
}

// ---- text -> JSON
// nlohmann keeps the last of two equal keys in silence; this callback refuses them while it parses.
class DuplicateKeys {
 public:
  explicit DuplicateKeys(const std::string& source) : source_(source) {}

  bool operator()(int depth, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      keys_.emplace_back();
      if (depth == 2) ++index_;
    } else if (event == Json::parse_event_t::object_end) {
      keys_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const std::string key = parsed.get<std::string>();
      if (!keys_.back().insert(key).second) {
        const std::string path = keys_.size() == 1 ? "" : fmt::format("overrides[{}].", index_);
        throw ConfigError(fmt::format("{}: {}{}: given twice", source_, path, key));
      }
    }
    return true;
  }

 private:
  const std::string& source_;
  std::vector<std::set<std::string>> keys_;
  int index_ = -1;
};

Json parse(const std::string& text, const std::string& source) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw ConfigError(source +
                      ": expected a JSON object such as {\"quant_type\": \"int4_group\"}, got an empty text");
  }
  try {
    return Json::parse(text, DuplicateKeys(source));
  } catch (const Json::parse_error& e) {
    std::string what =
        e.what();  // [json.exception.parse_error.101] parse error at line 1, column 9: syntax error ...
    const size_t at = what.find("line ");
    throw ConfigError(source + ": " + (at == std::string::npos ? what : what.substr(at)));
  }
}

// ---- flags -> JSON values
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
    throw ConfigError(fmt::format("{}: expected one value, got {}", flag, values.size()));
  }
  const std::string value = trim(values[0]);
  if (kind == "list of objects") return parse(value, flag);
  if (kind == "true|false") {
    if (value == "true" || value == "false") return value == "true";
    throw ConfigError(fmt::format("{}: expected true or false, got \"{}\"", flag, value));
  }
  if (kind == "integer") {
    char* end = nullptr;
    errno = 0;
    const long long number = std::strtoll(value.c_str(), &end, 10);
    if (value.empty() || *end || errno) {
      throw ConfigError(fmt::format("{}: expected an integer, got \"{}\"", flag, value));
    }
    return static_cast<int64_t>(number);
  }
  return value;
}

void put_over(SchemeFields& fields, const SchemeFields& given) {
  if (given.quant_type) fields.quant_type = given.quant_type;
  if (given.bits) fields.bits = given.bits;
  if (given.symmetric) fields.symmetric = given.symmetric;
  if (given.per_channel) fields.per_channel = given.per_channel;
  if (given.group_size) fields.group_size = given.group_size;
}

SchemeFields fields_of(const Scheme& scheme) {
  SchemeFields fields;
  fields.quant_type = quant_type_of(scheme);
  if (scheme.bits == 4) {
    fields.symmetric = scheme.symmetric;
    fields.group_size = scheme.group_size;
  }
  return fields;
}

bool contradicts(const QuantizationConfig& config) {
  try {
    check_given_pairs(config);
    return false;
  } catch (const ConfigError&) {
    return true;
  }
}

template <class T>
struct is_optional : std::false_type {};
template <class T>
struct is_optional<std::optional<T>> : std::true_type {};

// Scheme flags over a config's scheme fields; what the flags contradict is derived again.
void put_scheme_over(QuantizationConfig& config, const QuantizationConfig& given) {
  QuantizationConfig merged = config;
  put_over(merged, given);
  if (contradicts(merged)) {
    if (is_mixed(given)) {  // only bits cannot stay
      merged.bits.reset();
    } else {
      static_cast<SchemeFields&>(merged) = fields_of(derive_scheme(resolve_scheme(config), given));
    }
  }
  static_cast<SchemeFields&>(config) = merged;
}

// ---- member -> JSON
Json json_of(const std::vector<Override>& overrides);
Json json_of(Activation value) { return to_string(value); }
template <class T>
Json json_of(const T& value) {
  return value;
}

class Writer {
 public:
  Json object = Json::object();
  template <class T>
  void operator()(const Field& field, const T& value) {
    object[field.name] = json_of(value);
  }
  template <class T>
  void operator()(const Field& field, const std::optional<T>& value) {
    if (value) object[field.name] = *value;
  }
};

Json json_of(const std::vector<Override>& overrides) {
  Json list = Json::array();
  for (const Override& o : overrides) {
    Writer writer;
    writer.object["targets"] = o.targets;
    visit_scheme_fields(o, writer);
    list.push_back(std::move(writer.object));
  }
  return list;
}

Json all_fields(const QuantizationConfig& config) {
  Writer writer;
  visit_fields(config, writer);
  return std::move(writer.object);
}

// The scheme fields by which a config is written: quant_type, and what it leaves open where that is not the
// default.
SchemeFields canonical_fields(const QuantizationConfig& c) {
  SchemeFields fields;
  if (is_mixed(c)) {
    fields = c;
    if (c.symmetric == true) fields.symmetric.reset();
    if (c.per_channel == true) fields.per_channel.reset();
  } else {
    fields = fields_of(resolve_scheme(c));
    if (fields.symmetric == true) fields.symmetric.reset();
  }
  if (fields.group_size == int64_t{128}) fields.group_size.reset();
  return fields;
}

Json canonical(QuantizationConfig config) {
  static_cast<SchemeFields&>(config) = canonical_fields(config);
  return all_fields(config);
}

// A changed preset does not carry the preset's plain name into reports: "production activation=none".
void name_changes(QuantizationConfig& config, const Json& before,
                  const std::map<std::string, std::string>& flags) {
  const std::vector<std::string>& presets = preset_names();
  if (std::find(presets.begin(), presets.end(), config.name) == presets.end()) return;
  const Json after = canonical(config);
  const auto member = [](const Json& object, const char* name) { return object.value(name, Json()); };
  std::string changes;
  visit_fields(config, [&](const Field& field, auto& value) {
    const auto flag = flags.find(field.name);
    if (flag == flags.end() || std::string_view(field.name) == "device") return;
    bool same = member(before, field.name) == member(after, field.name);
    if constexpr (is_optional<std::decay_t<decltype(value)>>::value) {  // bits=8 over a preset of 8 bits
      same = true;
      for (const char* name : {"quant_type", "symmetric", "per_channel", "group_size"}) {
        same = same && member(before, name) == member(after, name);
      }
    }
    if (!same) changes += fmt::format(" {}={}", field.name, flag->second);
  });
  config.name += changes;
}

}  // namespace

QuantizationConfig QuantizationConfig::from_json(const std::string& text, const std::string& source) {
  const Json json = parse(text, source);
  if (!json.is_object()) wrong_type(source, "a JSON object such as {\"quant_type\": \"int4_group\"}", json);
  QuantizationConfig config;
  config.source = source;
  read_fields(source + ": ", json, [&](auto&& visitor) { visit_fields(config, visitor); });
  config.sensitive_layers_given = json.contains("sensitive_layers");
  validate(config);
  return config;
}

QuantizationConfig QuantizationConfig::from_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw ConfigError(path + ": expected a JSON file, got a folder");
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    throw ConfigError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  return from_json(text, path);
}

std::string QuantizationConfig::to_json(int indent) const {
  Json object = canonical(*this);
  const Json defaults = all_fields(QuantizationConfig());
  for (const auto& [name, value] : defaults.items()) {
    const bool given = name == "sensitive_layers" && sensitive_layers_given;
    if (object[name] == value && !given) object.erase(name);
  }
  return object.dump(indent);
}

std::vector<FieldInfo> config_fields() {
  std::vector<FieldInfo> list;
  const QuantizationConfig defaults;
  visit_fields(defaults, [&](const Field& f, const auto& member) {
    list.push_back({f.name, f.alias, kind(member), f.initial, allowed_values(f.allowed), f.help});
  });
  return list;
}

void apply_flags(QuantizationConfig& config, const FlagValues& flags) {
  std::vector<std::string> names;
  for (const FieldInfo& field : config_fields()) {
    names.push_back(field.name);
    if (!field.alias.empty()) names.push_back(field.alias);
  }
  for (const auto& [name, unused] : flags) {
    if (std::find(names.begin(), names.end(), name) == names.end()) {
      throw ConfigError(fmt::format("--{}: no such field; nearest: {}", name, nearest_name(name, names)));
    }
  }
  const Json before = canonical(config);
  QuantizationConfig given;                 // the scheme fields among the flags
  std::map<std::string, std::string> seen;  // field -> its flag's text
  const auto take = [&](const Field& field, auto& member) {
    std::string flag;
    std::vector<std::string> values;
    for (const auto& [name, list] : flags) {
      if (name != field.name && name != field.alias) continue;
      flag = "--" + name;
      values.insert(values.end(), list.begin(), list.end());
    }
    if (flag.empty()) return;
    read(flag, flag_value(flag, kind(member), values), member);
    config.origins[field.name] = given.origins[field.name] = flag;
    seen[field.name] = fmt::format("{}", fmt::join(values, ","));
  };
  visit_scheme_fields(given, take);
  visit_fields(config, [&](const Field& field, auto& member) {
    if constexpr (!is_optional<std::decay_t<decltype(member)>>::value) take(field, member);
  });
  check_given_pairs(given);
  put_scheme_over(config, given);
  if (seen.count("sensitive_layers")) config.sensitive_layers_given = true;
  if (before["quant_type"] == "mixed_precision" && !is_mixed(config)) {
    const QuantizationConfig defaults;  // left over from a file: they mean nothing now
    if (!seen.count("sensitive_layers")) {
      config.sensitive_layers = defaults.sensitive_layers;
      config.sensitive_layers_given = false;
    }
    if (!seen.count("sensitive_bits")) config.sensitive_bits = defaults.sensitive_bits;
    if (!seen.count("normal_bits")) config.normal_bits = defaults.normal_bits;
  }
  validate(config);
  if (!seen.count("name")) name_changes(config, before, seen);
}

}  // namespace vqt
