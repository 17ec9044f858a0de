// The scheme that the fields of a config resolve to, and the presets.
#include "vqt/config.h"

#include <fmt/format.h>

#include <algorithm>

#include "passes/config/quant_types.h"
#include "vqt/fields.h"
#include "vqt/nearest.h"
#include "vqt/preset_note.h"

namespace vqt {
namespace {

constexpr int64_t kDefaultGroup = 128;

struct Preset {
  const char* name;
  const char* alias;  // says what is in it; "" where quant_type is as good a name
  const char* quant_type;
  int64_t group_size;  // 0: none
  bool skip_first_last;
};
constexpr Preset kPresets[] = {
    {"production", "", "int8_per_channel_sym", 0, true},
    {"mobile", "int4-g64", "int4_group", 64, true},
    {"prototype", "int8-per-tensor", "int8_per_tensor_sym", 0, false},
    {"int16", "", "int16_per_channel_sym", 0, true},
    {"int8-asym", "", "int8_per_channel_asym", 0, true},
    {"smallest", "", "int4_group", kDefaultGroup, true},
};
constexpr const char* kOldMostAccurate = "max-accuracy";

// As with flags, max_accuracy is max-accuracy.
std::string hyphenated(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

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
  static const std::vector<std::string> names = [] {
    std::vector<std::string> list;
    for (const Preset& preset : kPresets) list.emplace_back(preset.name);
    return list;
  }();
  return names;
}

std::string preset_list() {
  std::string list;
  for (const Preset& preset : kPresets) {
    list += fmt::format("{}{}", list.empty() ? "" : ", ", preset.name);
    if (*preset.alias) list += fmt::format(" (or {})", preset.alias);
  }
  return list;
}

QuantizationConfig QuantizationConfig::preset(const std::string& given) {
  std::string name = hyphenated(given);
  if (name == kOldMostAccurate) name = "int16";
  std::vector<std::string> known = {kOldMostAccurate};
  for (const Preset& preset : kPresets) {
    if (name != preset.name && (name.empty() || name != preset.alias)) {
      known.emplace_back(preset.name);
      if (*preset.alias) known.emplace_back(preset.alias);
      continue;
    }
    QuantizationConfig c;
    c.name = preset.name;
    c.source = "preset " + c.name;
    c.quant_type = preset.quant_type;
    if (preset.group_size != 0) c.group_size = preset.group_size;
    c.skip_first_last = preset.skip_first_last;
    // With 16 bits both stay in floating point.
    if (resolve_scheme(c).bits <= 8) c.attention = c.convolutions = "int8";
    return c;
  }
  throw UsageError(fmt::format("preset: expected one of {}, got \"{}\"; nearest: {}", preset_list(), given,
                               nearest_name(name, known)));
}

std::string preset_note(const std::string& given) {
  if (hyphenated(given) != kOldMostAccurate) return "";
  return "preset max-accuracy: is int16, the most accurate preset; it was asymmetric int8, about as accurate as "
         "production and now called int8-asym";
}

std::string field_label(const QuantizationConfig& config, const std::string& path) {
  const size_t end = std::min(path.find_first_of(".["), path.size());
  const auto origin = config.origins.find(path.substr(0, end));
  if (origin != config.origins.end()) return origin->second + path.substr(end);
  return config.source.empty() ? path : config.source + ": " + path;
}

}  // namespace vqt
