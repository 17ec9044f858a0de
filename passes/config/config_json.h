// Reading and writing single fields as JSON, for config_json.cpp and config_flags.cpp.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vqt/config.h"
#include "vqt/fields.h"

namespace vqt {

using Json = nlohmann::ordered_json;

// JSON text -> value; syntax errors with line and column, duplicate keys are UsageErrors.
Json parse_json(const std::string& text, const std::string& source);

// JSON value -> member. `where` is the field as error messages name it. Throws UsageError for a wrong type.
void read(const std::string& where, const Json& json, std::string& value);
void read(const std::string& where, const Json& json, bool& value);
void read(const std::string& where, const Json& json, int64_t& value);
void read(const std::string& where, const Json& json, ActivationMode& value);
void read(const std::string& where, const Json& json, std::vector<std::string>& value);
void read(const std::string& where, const Json& json, std::vector<Override>& value);
template <class T>
void read(const std::string& where, const Json& json, std::optional<T>& value) {
  read(where, json, value.emplace());
}

// Reads the fields of an object into config. Names that are no field's, and types, are UsageErrors; values are not
// checked. where: before each name in messages, as "q.json: ".
void read_config(const std::string& where, const Json& json, QuantizationConfig& config);

// Every field, with quant_type and the fields that it leaves open (symmetric, group_size) where they are not
// the default.
Json canonical_json(QuantizationConfig config);
// quant_type, and with 4 bits symmetric and group_size.
SchemeFields fields_of(const Scheme& scheme);

}  // namespace vqt
