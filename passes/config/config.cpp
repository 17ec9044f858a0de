// What a config means: which scheme its fields resolve to, the presets.
#include "vqt/config.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "passes/config/quant_types.h"
#include "vqt/fields.h"
#include "vqt/nearest.h"

namespace vqt {
namespace {

constexpr int64_t kDefaultGroup = 128;

bool has(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

}  // namespace

bool is_mixed(const QuantizationConfig& config) { return config.quant_type == kMixed; }

Scheme derive_scheme(const Scheme& base, const SchemeFields& given) {
  const TypeFacts* type = facts(given);
  Scheme s;
  if (given.bits) {
    s.bits = *given.bits;
  } else if (type) {
    s.bits = type->bits;
  } else if (given.group_size) {
    s.bits = 4;
  } else if (given.per_channel && base.bits == 4) {
    s.bits = 8;
  } else {
    s.bits = base.bits;
  }
  s.symmetric = s.bits == 16 ||
                given.symmetric.value_or(type ? type->symmetric.value_or(base.symmetric) : base.symmetric);
  if (s.bits == 4) {
    s.granularity = Granularity::kGroup;
    s.group_size =
        given.group_size.value_or(base.granularity == Granularity::kGroup ? base.group_size : kDefaultGroup);
    return s;
  }
  const bool inherited = base.granularity != Granularity::kPerTensor;
  const bool per_channel =
      given.per_channel.value_or(type ? type->per_channel.value_or(inherited) : inherited);
  s.granularity = per_channel ? Granularity::kPerChannel : Granularity::kPerTensor;
  return s;
}

Scheme resolve_scheme(const QuantizationConfig& config, bool sensitive) {
  if (!is_mixed(config)) return derive_scheme(Scheme{}, config);
  SchemeFields given;
  given.bits = sensitive ? config.sensitive_bits : config.normal_bits;
  given.symmetric = config.symmetric;
  if (given.bits == 4) {
    given.group_size = config.group_size;
  } else {
    given.per_channel = config.per_channel;
  }
  return derive_scheme(Scheme{}, given);
}

std::vector<std::string> chosen_fusions(const QuantizationConfig& config) {
  std::vector<std::string> chosen;
  for (const FieldInfo& field : config_fields()) {
    if (field.name != "fusions") continue;
    for (const std::string& name : field.allowed) {
      if (name == "all" || name == "none") continue;
      if (has(config.fusions, "all") || has(config.fusions, name)) chosen.push_back(name);
    }
  }
  return chosen;
}

std::string quant_type_of(const Scheme& scheme) {
  if (scheme.granularity == Granularity::kGroup) return "int4_group";
  return fmt::format("int{}_{}_{}", scheme.bits,
                     scheme.granularity == Granularity::kPerTensor ? "per_tensor" : "per_channel",
                     scheme.symmetric ? "sym" : "asym");
}

std::string QuantizationConfig::display_name() const {
  if (!name.empty()) return name;
  return is_mixed(*this) ? kMixed : quant_type_of(resolve_scheme(*this));
}

const std::vector<std::string>& preset_names() {
  static const std::vector<std::string> names = {"production", "mobile", "prototype", "max-accuracy",
                                                 "smallest"};
  return names;
}

QuantizationConfig QuantizationConfig::preset(const std::string& given) {
  std::string name = given;  // as with flags, max_accuracy is max-accuracy
  std::replace(name.begin(), name.end(), '_', '-');
  QuantizationConfig c;
  c.name = name;
  c.source = "preset " + name;
  if (name == "production") {
    c.quant_type = "int8_per_channel_sym";
  } else if (name == "mobile") {
    c.quant_type = "int4_group";
    c.group_size = 64;
  } else if (name == "prototype") {
    c.quant_type = "int8_per_tensor_sym";
    c.skip_first_last = false;
  } else if (name == "max-accuracy") {
    c.quant_type = "int8_per_channel_asym";
  } else if (name == "smallest") {
    c.quant_type = "int4_group";
    c.group_size = kDefaultGroup;
  } else {
    throw UsageError(fmt::format("preset: expected one of {}, got \"{}\"; nearest: {}",
                                 fmt::join(preset_names(), ", "), given, nearest_name(name, preset_names())));
  }
  return c;
}

std::string field_label(const QuantizationConfig& config, const std::string& path) {
  const size_t end = std::min(path.find_first_of(".["), path.size());
  const auto origin = config.origins.find(path.substr(0, end));
  if (origin != config.origins.end()) return origin->second + path.substr(end);
  return config.source.empty() ? path : config.source + ": " + path;
}

}  // namespace vqt
