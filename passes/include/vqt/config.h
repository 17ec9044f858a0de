// QuantizationConfig: how each weight is stored. Same field names in JSON, C++ and Python; docs/config.md
// explains them.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "vqt/error.h"
#include "vqt/scheme.h"

namespace vqt {

using ConfigError = UsageError;  // a config that cannot be used

// The fields that say how a weight is stored. Unset fields follow from the others (resolve_scheme).
struct SchemeFields {
  std::optional<std::string> quant_type;
  std::optional<int64_t> bits;
  std::optional<bool> symmetric;
  std::optional<bool> per_channel;
  std::optional<int64_t> group_size;  // -1: one group per row
};

struct Override : SchemeFields {
  std::vector<std::string> targets;  // patterns
};

struct QuantizationConfig : SchemeFields {
  std::string name;  // empty: quant_type
  bool skip_first_last = true;
  ActivationMode activation = ActivationMode::kDynamic;
  bool activation_symmetric = false;
  int64_t calibration_samples = 100;
  std::string calibration_method = "minmax";
  std::string device = "cpu";
  std::vector<std::string> sensitive_layers = {"attention", "head"};
  bool sensitive_layers_given = false;  // only patterns that a user gave have to match a layer
  int64_t sensitive_bits = 8;
  int64_t normal_bits = 4;
  std::vector<std::string> ignore;
  std::string attention = "float";
  std::string convolutions = "float";
  std::vector<std::string> algorithms;
  std::vector<std::string> fusions = {"all"};
  std::vector<Override> overrides;

  // Not fields, for error messages: where the config is from, and the fields that are from elsewhere.
  std::string source = "config";
  std::map<std::string, std::string> origins;

  // source names the file or flag in error messages. Both throw UsageError.
  static QuantizationConfig from_json(const std::string& text, const std::string& source = "config");
  static QuantizationConfig from_file(const std::string& path);
  static QuantizationConfig preset(const std::string& name);
  std::string to_json(int indent = 2) const;  // only fields that differ from their defaults, and quant_type
  std::string display_name() const;           // name, or the quant_type it resolves to
};

// The scheme that the fields resolve to; with mixed_precision that of the sensitive or of all other sites.
// Expects a valid config.
bool is_mixed(const QuantizationConfig& config);
Scheme resolve_scheme(const QuantizationConfig& config, bool sensitive = false);
// An override: base with the given fields put over it; the fields that depend on them are derived again
// (4 bits: groups, ...).
Scheme derive_scheme(const Scheme& base, const SchemeFields& given);
// The names in fusions, with all and none resolved, in the order of docs/config.md.
std::vector<std::string> chosen_fusions(const QuantizationConfig& config);
// "int8_per_channel_sym" and so on; int4_group for every scheme of 4 bits.
std::string quant_type_of(const Scheme& scheme);

// production, mobile, prototype, int16, int8-asym, smallest.
const std::vector<std::string>& preset_names();
// The same as a text, each with the alias that says what is in it: "mobile (or int4-g64)".
std::string preset_list();

// Throws UsageError for contradictions between given fields and for values out of range. from_json calls it,
// callers in C++ and Python may.
void validate(const QuantizationConfig& config, const std::string& source = "");  // "": config.source

}  // namespace vqt
