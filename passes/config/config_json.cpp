// A config from JSON and back. All of it walks the field list in vqt/fields.h.
#include "passes/config/config_json.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <set>

#include "vqt/nearest.h"

namespace vqt {
namespace {

[[noreturn]] void wrong_type(const std::string& where, const char* expected, const Json& got) {
  std::string text = got.is_array() ? "a list" : got.is_object() ? "an object" : got.dump();
  throw UsageError(fmt::format("{}: expected {}, got {}", where, expected, text));
}

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
      throw UsageError(
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
        throw UsageError(fmt::format("{}{}: holds for the whole config only; sites can have {}", where, key,
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

}  // namespace

Json parse_json(const std::string& text, const std::string& source) {
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    throw UsageError(source +
                     ": expected a JSON object such as {\"quant_type\": \"int4_group\"}, got an empty text");
  }
  try {
    return Json::parse(text, DuplicateKeys(source));
  } catch (const Json::parse_error& e) {
    const std::string what =
        e.what();  // [json.exception...] parse error at line 1, column 9: syntax error ...
    const size_t at = what.find("line ");
    throw UsageError(source + ": " + (at == std::string::npos ? what : what.substr(at)));
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

QuantizationConfig QuantizationConfig::from_json(const std::string& text, const std::string& source) {
  const Json json = parse_json(text, source);
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
                     Json::error_handler_t::replace);  // a name from a flag may be any bytes
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
