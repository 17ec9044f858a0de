// A config from JSON and back, by the field list in vqt/fields.h.
#include "passes/config/config_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cctype>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <regex>
#include <set>

#include "passes/config/config_checks.h"
#include "vqt/nearest.h"

namespace vqt {
namespace {

[[noreturn]] void wrong_type(const std::string& where, const char* expected, const Json& got) {
  std::string text = got.is_array() ? "a list" : got.is_object() ? "an object" : got.dump();
  throw UsageError(fmt::format("{}: expected {}, got {}", where, expected, text));
}

constexpr const char* kExample = "{\"quant_type\": \"int4_group\"}";

[[noreturn]] void not_json(const std::string& source, const std::string& got) {
  throw UsageError(fmt::format("{}: expected a JSON object such as {}, got {}", source, kExample, got));
}

// A config in another format, or another file: its first line says which.
void refuse_other_formats(const std::string& text, const std::string& source) {
  if (text.rfind("PK\x03\x04", 0) == 0) not_json(source, "a zip file (a model?)");
  if (text.find('\0') != std::string::npos) not_json(source, "a binary file");
  static const std::regex kLine("\\s*((#.*|---.*|%.*)?\n\\s*)*([^\n]*)");
  static const std::regex kYaml("(- |\"?[A-Za-z_][A-Za-z_0-9-]*\"?\\s*:).*"),
      kToml("(\\[[A-Za-z_.]+\\]|[A-Za-z_][A-Za-z_0-9-]*\\s*=).*");
  std::smatch line;
  const std::string head = text.substr(0, 4096);
  if (!std::regex_search(head, line, kLine, std::regex_constants::match_continuous)) return;
  const std::string first = line[3];
  if (std::regex_match(first, kYaml)) not_json(source, "YAML");
  if (std::regex_match(first, kToml)) not_json(source, "TOML");
  if (first.rfind("<", 0) == 0) not_json(source, "HTML or XML");
}

// What is wrong at a byte where JSON's grammar ends, in the words of somebody who writes by hand; "" where the parser's
// own are as good. at: the last byte that it read; what: its message.
std::string likely_cause(const std::string& text, size_t at, const std::string& what) {
  if (at >= text.size()) return "";
  const char here = text[at];
  const size_t before = at == 0 ? std::string::npos : text.find_last_not_of(" \t\r\n", at - 1);
  const char last = before == std::string::npos ? '\0' : text[before];
  const auto begins = [&](const char* word) { return text.compare(at, std::strlen(word), word) == 0; };
  if ((here == '}' || here == ']') && last == ',')
    return fmt::format("a comma stands before the {}; JSON has none after the last value", here);
  if (here == '\'') return "JSON writes texts in double quotes, not in single ones";
  if (here == '#') return "comments begin with //, not with #";
  if (begins("True") || begins("False")) return "JSON writes true and false in small letters";
  if (begins("None")) return "JSON has no None; leave the field out";
  if (what.find("unexpected string literal; expected '}'") != std::string::npos ||
      what.find("unexpected string literal; expected ']'") != std::string::npos)
    return "a comma is missing before this text";
  if (std::isalpha(static_cast<unsigned char>(here)) && (last == '{' || last == ','))
    return "names of fields stand in double quotes";
  return "";
}

// nlohmann silently keeps the last of two equal keys; this callback makes them an error during parsing.
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
        throw UsageError(fmt::format("{}: {}{}: given twice", source_, path, key));
      }
    }
    return true;
  }

 private:
  const std::string& source_;
  std::vector<std::set<std::string>> keys_;
  int index_ = -1;
};

// Reads the fields of an object. A key that is not the name of a field is an error with the nearest name.
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
      throw UsageError(
          fmt::format("{}{}: the same field is given as {} too", where, field.alias, field.name));
    }
    if (!by_name && !by_alias) return;
    const char* name = by_name ? field.name : field.alias;
    read(where + name, object.at(name), member);
  });
  for (const auto& [key, unused] : object.items()) {
    if (known.count(key) && !key.empty()) continue;
    for (const FieldInfo& field : config_fields()) {  // true in overrides only
      if (key == field.name) {
        throw UsageError(fmt::format("{}{}: applies to the whole config only; layers can have {}", where, key,
                                     fmt::join(names, ", ")));
      }
    }
    throw UsageError(fmt::format("{}{}: no such field; nearest: {}", where, key.empty() ? "\"\"" : key,
                                 nearest_name(key, names)));
  }
}

Json json_of(const std::vector<Override>& overrides);
Json json_of(ActivationMode value) { return to_string(value); }
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

// The scheme fields that a config is written with: quant_type, and the fields that it leaves open where they
// are not the default.
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

}  // namespace

Json parse_json(const std::string& text, const std::string& source) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) not_json(source, "an empty text");
  try {
    return Json::parse(text, DuplicateKeys(source), true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& e) {
    std::string what = e.what();  // [json.exception...] parse error at line 1, column 9: syntax error ...
    if (const size_t at = what.find("line "); at != std::string::npos) what.erase(0, at);
    const std::string cause = likely_cause(text, e.byte == 0 ? 0 : e.byte - 1, what);
    if (!cause.empty()) what = what.substr(0, what.find(": ") + 2) + cause;
    throw UsageError(fmt::format("{}: {}", source, what));
  }
}

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

void read(const std::string& where, const Json& json, ActivationMode& value) {
  std::string word;
  read(where, json, word);
  for (const ActivationMode a : {ActivationMode::kDynamic, ActivationMode::kStatic, ActivationMode::kNone}) {
    if (word == to_string(a)) {
      value = a;
      return;
    }
  }
  throw UsageError(fmt::format("{}: expected one of dynamic, static, none, got \"{}\"; nearest: {}", where,
                               word, nearest_name(word, {"dynamic", "static", "none"})));
}

void read(const std::string& where, const Json& json, std::vector<std::string>& value) {
  if (!json.is_array()) wrong_type(where, "a list of strings", json);
  value.clear();
  for (size_t i = 0; i < json.size(); ++i)
    read(fmt::format("{}[{}]", where, i), json[i], value.emplace_back());
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

SchemeFields fields_of(const Scheme& scheme) {
  SchemeFields fields;
  fields.quant_type = quant_type_of(scheme);
  if (scheme.bits == 4) {
    fields.symmetric = scheme.symmetric;
    fields.group_size = scheme.group_size;
  }
  return fields;
}

Json canonical_json(QuantizationConfig config) {
  static_cast<SchemeFields&>(config) = canonical_fields(config);
  return all_fields(config);
}

void read_config(const std::string& where, const Json& json, QuantizationConfig& config) {
  read_fields(where, json, [&](auto&& visitor) { visit_fields(config, visitor); });
}

QuantizationConfig QuantizationConfig::from_json(const std::string& text, const std::string& source) {
  refuse_other_formats(text, source);
  const Json json = parse_json(text, source);
  if (!json.is_object()) wrong_type(source, fmt::format("a JSON object such as {}", kExample).c_str(), json);
  if (json.contains("models") && json.contains("version"))
    not_json(source, "results of vqt-eval; the field config of each model there is one");
  QuantizationConfig config;
  config.source = source;
  read_config(source + ": ", json, config);
  config.sensitive_layers_given = json.contains("sensitive_layers");
  expand_shorthand(config, config, json.contains("activation"));
  expand_shorthands_in_overrides(config);
  validate(config);
  return config;
}

QuantizationConfig QuantizationConfig::from_file(const std::string& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error))
    throw UsageError(path + ": expected a JSON file, got a folder");
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad()) {
    throw UsageError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  }
  return from_json(text, path);
}

std::string QuantizationConfig::to_json(int indent) const {
  Json object = canonical_json(*this);
  const Json defaults = all_fields(QuantizationConfig());
  for (const auto& [name, value] : defaults.items()) {
    const bool given = name == "sensitive_layers" && sensitive_layers_given;
    if (object[name] == value && !given) object.erase(name);
  }
  return object.dump(indent, ' ', false,
                     Json::error_handler_t::replace);  // a name from a flag may be no UTF-8
}

std::string resolved_json(const QuantizationConfig& config) {
  QuantizationConfig c = config;
  static_cast<SchemeFields&>(c) = canonical_fields(config);
  const Scheme normal = resolve_scheme(config), sensitive = resolve_scheme(config, true);
  const Scheme& grouped = normal.bits == 4 ? normal : sensitive;
  const Scheme& rows = normal.bits == 4 ? sensitive : normal;
  if (!is_mixed(config)) c.bits = normal.bits;
  c.symmetric = normal.bits == 16 ? sensitive.symmetric : normal.symmetric;
  if (grouped.bits == 4) c.group_size = grouped.group_size;
  if (rows.bits != 4) c.per_channel = rows.granularity == Granularity::kPerChannel;
  return all_fields(c).dump();
}

}  // namespace vqt
