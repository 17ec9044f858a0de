// Reading and writing single fields as JSON: what config_json.cpp and config_flags.cpp share.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "vqt/config.h"
#include "vqt/fields.h"

namespace vqt {

using Json = nlohmann::ordered_json;

// JSON text -> value; syntax errors with line and column, duplicate keys are ConfigErrors.
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

// Every field, with quant_type and what it leaves open (symmetric, group_size) where that is not the default.
Json canonical_json(QuantizationConfig config);
// quant_type, and with 4 bits symmetric and group_size.
SchemeFields fields_of(const Scheme& scheme);

}  // namespace vqt
