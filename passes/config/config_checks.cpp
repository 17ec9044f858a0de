// Checks a config: values out of range, fields that contradict each other, values of a later version.
#include "passes/config/config_checks.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "passes/config/quant_types.h"
#include "passes/config/shorthand.h"
#include "vqt/fields.h"
#include "vqt/nearest.h"
#include "vqt/plan.h"

namespace vqt {
namespace {

std::string text_of(bool value) { return value ? "true" : "false"; }
std::string text_of(int64_t value) { return std::to_string(value); }

// Errors about the fields below `prefix`, which is "" or "overrides[1].".
struct Complaint {
  const QuantizationConfig& config;
  std::string prefix;

  std::string label(const std::string& field) const { return field_label(config, prefix + field); }
  // The second field of a contradiction: the message has named the file already.
  std::string other(const std::string& field) const {
    const auto origin = config.origins.find(field);
    if (!prefix.empty() || origin == config.origins.end()) return field;
    const size_t source = origin->second.rfind(": ");
    return source == std::string::npos ? origin->second : origin->second.substr(source + 2);
  }
  [[noreturn]] void range(const std::string& field, const std::string& expected,
                          const std::string& got) const {
    throw UsageError(fmt::format("{}: expected {}, got {}", label(field), expected, got));
  }
  [[noreturn]] void clash(const std::string& a, const std::string& a_value, const std::string& b,
                          const std::string& b_value, const std::string& why) const {
    throw UsageError(fmt::format("{}: {} contradicts {} {}: {}", label(a), a_value, other(b), b_value, why));
  }
};

class AllowedValues {
 public:
  explicit AllowedValues(const Complaint& complaint) : complaint_(complaint) {}
  void operator()(const Field& field, const std::string& value) const { check(field, value, true); }
  void operator()(const Field& field, int64_t value) const { check(field, std::to_string(value), false); }
  void operator()(const Field& field, const std::vector<std::string>& values) const {
    for (const std::string& value : values) check(field, value, true);
  }
  template <class T>
  void operator()(const Field& field, const std::optional<T>& value) const {
    if (value) (*this)(field, *value);
  }
  template <class T>
  void operator()(const Field&, const T&) const {
  }  // bool, ActivationMode, overrides: any value is legal here

 private:
  void check(const Field& field, const std::string& value, bool word) const {
    const std::vector<std::string> allowed = allowed_values(field.allowed);
    if (allowed.empty() || std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return;
    std::string expected = fmt::format("one of {}", fmt::join(allowed, ", "));
    if (field.name == std::string("quant_type")) expected += ", or a shorthand such as w8a8 or w4a8-g64";
    complaint_.range(field.name, expected,
                     word ? fmt::format("\"{}\"; nearest: {}", value, nearest_name(value, allowed)) : value);
  }
  const Complaint& complaint_;
};

void check_patterns(const Complaint& complaint, const std::string& field,
                    const std::vector<std::string>& list) {
  for (const std::string& pattern : list) {
    if (pattern.empty()) complaint.range(field, "patterns", "an empty one");
    try {
      matches(pattern, "x");  // the name does not matter: only the regular expression is checked
    } catch (const UsageError& e) {
      throw UsageError(fmt::format("{}: {}", complaint.label(field), e.what()));
    }
  }
}

// The widths a mixed config stores; {0, 0} elsewhere.
struct Widths {
  int64_t sensitive = 0, normal = 0;
  bool has(int64_t bits) const { return sensitive == bits || normal == bits; }
};

void check_mixed(const SchemeFields& f, const Widths& widths, const Complaint& complaint) {
  if (f.bits) {
    complaint.clash("bits", text_of(*f.bits), "quant_type", kMixed,
                    "its widths are sensitive_bits and normal_bits");
  }
  if (f.group_size && !widths.has(4)) {
    complaint.clash(
        "group_size", text_of(*f.group_size), "normal_bits", text_of(widths.normal),
        fmt::format("only 4 bits are stored in groups, and sensitive_bits is {}", widths.sensitive));
  }
  if (f.per_channel && widths.sensitive == 4 && widths.normal == 4) {
    complaint.clash("per_channel", text_of(*f.per_channel), "normal_bits", "4",
                    "4 bits are stored in groups, and sensitive_bits is 4 too");
  }
  if (f.symmetric == false && widths.sensitive == 16 && widths.normal == 16) {
    complaint.clash("symmetric", "false", "normal_bits", "16",
                    "16 bits are symmetric only, and sensitive_bits is 16 too");
  }
}

// Every pair of given fields that cannot both hold.
void check_pairs(const SchemeFields& f, const Complaint& complaint) {
  if (const TypeFacts* type = facts(f)) {
    const std::string name = *f.quant_type;
    if (f.bits && *f.bits != type->bits) {
      complaint.clash("bits", text_of(*f.bits), "quant_type", name,
                      fmt::format("it has {} bits", type->bits));
    }
    if (f.group_size && type->bits != 4) {
      complaint.clash("group_size", text_of(*f.group_size), "quant_type", name,
                      "only 4 bits are stored in groups");
    }
    if (f.per_channel && type->bits == 4) {
      complaint.clash("per_channel", text_of(*f.per_channel), "quant_type", name,
                      "4 bits are stored in groups; group_size says how large");
    }
    if (f.per_channel && *f.per_channel != *type->per_channel) {
      complaint.clash(
          "per_channel", text_of(*f.per_channel), "quant_type", name,
          *type->per_channel ? "it has one scale per output row" : "it has one scale for the weight");
    }
    if (f.symmetric && type->symmetric && *f.symmetric != *type->symmetric) {
      complaint.clash("symmetric", text_of(*f.symmetric), "quant_type", name,
                      type->bits == 16   ? "16 bits are symmetric only"
                      : *type->symmetric ? "its zero point is fixed at 0"
                                         : "its range is [min, max]");
    }
  }
  if (f.bits && f.group_size && *f.bits != 4) {
    complaint.clash("group_size", text_of(*f.group_size), "bits", text_of(*f.bits),
                    "only 4 bits are stored in groups");
  }
  if (f.bits == 4 && f.per_channel) {
    complaint.clash("per_channel", text_of(*f.per_channel), "bits", "4",
                    "4 bits are stored in groups; group_size says how large");
  }
  if (f.bits == 16 && f.symmetric == false) {
    complaint.clash("symmetric", "false", "bits", "16", "16 bits are symmetric only");
  }
  if (f.group_size && f.per_channel) {
    complaint.clash("per_channel", text_of(*f.per_channel), "group_size", text_of(*f.group_size),
                    "group_size implies 4 bits, stored in groups");
  }
}

void check_scheme(const SchemeFields& f, const Widths& widths, const Complaint& complaint) {
  visit_scheme_fields(f, AllowedValues(complaint));
  if (f.group_size && *f.group_size != -1 && *f.group_size < 1) {
    complaint.range("group_size", "1 or more, or -1 for one group per row", text_of(*f.group_size));
  }
  if (f.quant_type == kMixed) {
    check_mixed(f, widths, complaint);
  } else {
    check_pairs(f, complaint);
  }
}

void check_overrides(const QuantizationConfig& config) {
  for (size_t i = 0; i < config.overrides.size(); ++i) {
    const Override& o = config.overrides[i];
    const std::string path = fmt::format("overrides[{}]", i);
    const Complaint complaint{config, path + "."};
    if (o.targets.empty()) complaint.range("targets", "at least one pattern", "none");
    check_patterns(complaint, "targets", o.targets);
    std::vector<std::string> fields;
    bool any = false;
    visit_scheme_fields(o, [&](const Field& field, const auto& value) {
      fields.push_back(field.name);
      any = any || value.has_value();
    });
    if (!any) {
      throw UsageError(fmt::format(
          "{}: expected at least one of {} beside targets; to keep layers in floating point, list them in "
          "ignore",
          field_label(config, path), fmt::join(fields, ", ")));
    }
    if (o.quant_type == kMixed) {
      complaint.range("quant_type", "a scheme for the layers in targets",
                      "mixed_precision, which chooses layer by layer");
    }
    check_scheme(o, {}, complaint);
  }
}

// Puts the fields of a shorthand in the place of quant_type; returns the shorthand.
std::optional<Shorthand> expand(SchemeFields& given, const Complaint& complaint) {
  const auto s = given.quant_type ? parse_shorthand(*given.quant_type) : std::nullopt;
  if (!s) return {};
  const std::string name = *given.quant_type;
  if (given.bits && *given.bits != s->bits)
    complaint.clash("bits", text_of(*given.bits), "quant_type", name, fmt::format("it has {} bits", s->bits));
  if (given.group_size && s->group_size && *given.group_size != *s->group_size) {
    complaint.clash(
        "group_size", text_of(*given.group_size), "quant_type", name,
        *s->group_size < 0 ? "it has one group per row" : fmt::format("it has groups of {}", *s->group_size));
  }
  given.quant_type.reset();
  given.bits = s->bits;
  if (s->group_size) given.group_size = s->group_size;
  return s;
}

// What the shorthand of a config or of an override says about activations. 16 bits say nothing: they always compute
// with floating-point ones.
bool agrees(const Shorthand& s, ActivationMode activation) {
  return s.bits == 16 || s.float_activations == (activation == ActivationMode::kNone);
}

const char* activations_of(const Shorthand& s) {
  return s.float_activations ? "its activations are in floating point" : "its activations are quantized";
}

bool has(const std::vector<std::string>& list, const std::string& value) {
  return std::find(list.begin(), list.end(), value) != list.end();
}

void check_fusions(const QuantizationConfig& config, const Complaint& complaint) {
  for (const char* word : {"all", "none"}) {
    if (config.fusions.size() > 1 && has(config.fusions, word)) {
      complaint.range("fusions", "names of fusions, or all or none alone",
                      fmt::format("\"{}\"", fmt::join(config.fusions, ",")));
    }
  }
}

// Legal values that this version cannot carry out.
void check_available(const QuantizationConfig& config, const Complaint& complaint) {
  const auto refuse = [&](const char* field, const std::string& value, const char* instead) {
    throw UsageError(
        fmt::format("{}: {} is not available in this version, {}", complaint.label(field), value, instead));
  };
  if (config.calibration_method != "minmax") {
    refuse("calibration_method", config.calibration_method, "which calibrates by minmax only");
  }
  if (!config.algorithms.empty()) {
    refuse("algorithms", config.algorithms[0], "which rounds to nearest without them; leave the list empty");
  }
}

void check_sensitive(const QuantizationConfig& config, const Complaint& complaint) {
  if (is_mixed(config)) return;
  const QuantizationConfig defaults;
  const auto refuse = [&](const char* field, const std::string& value) {
    throw UsageError(fmt::format("{}: {} contradicts {} {}: only mixed_precision uses it",
                                 complaint.label(field), value, complaint.other("quant_type"),
                                 quant_type_of(resolve_scheme(config))));
  };
  if (config.sensitive_layers != defaults.sensitive_layers) {
    refuse("sensitive_layers", fmt::format("\"{}\"", fmt::join(config.sensitive_layers, ",")));
  }
  if (config.sensitive_bits != defaults.sensitive_bits)
    refuse("sensitive_bits", text_of(config.sensitive_bits));
  if (config.normal_bits != defaults.normal_bits) refuse("normal_bits", text_of(config.normal_bits));
}

}  // namespace

void validate(const QuantizationConfig& given, const std::string& source) {
  QuantizationConfig config = given;
  if (!source.empty()) config.source = source;
  const Complaint complaint{config, ""};
  visit_fields(config, AllowedValues(complaint));
  if (config.calibration_samples < 1) {
    complaint.range("calibration_samples", "1 or more images", text_of(config.calibration_samples));
  }
  check_scheme(config, {config.sensitive_bits, config.normal_bits}, complaint);
  check_patterns(complaint, "sensitive_layers", config.sensitive_layers);
  check_patterns(complaint, "ignore", config.ignore);
  check_sensitive(config, complaint);
  check_overrides(config);
  check_fusions(config, complaint);
  check_available(config, complaint);
}

void expand_shorthand(SchemeFields& given, QuantizationConfig& config, bool activation_given) {
  const Complaint complaint{config, ""};
  const std::string name = given.quant_type.value_or("");
  const auto s = expand(given, complaint);
  if (!s || agrees(*s, config.activation)) return;
  if (activation_given)
    complaint.clash("activation", to_string(config.activation), "quant_type", name, activations_of(*s));
  config.activation = s->float_activations ? ActivationMode::kNone : ActivationMode::kDynamic;
}

void expand_shorthands_in_overrides(QuantizationConfig& config) {
  for (size_t i = 0; i < config.overrides.size(); ++i) {
    const Complaint complaint{config, fmt::format("overrides[{}].", i)};
    const std::string name = config.overrides[i].quant_type.value_or("");
    const auto s = expand(config.overrides[i], complaint);
    if (!s || agrees(*s, config.activation)) continue;
    complaint.clash("quant_type", name, "activation", to_string(config.activation),
                    fmt::format("{}, and activation is the whole config's", activations_of(*s)));
  }
}

std::vector<std::string> allowed_values(const char* allowed) {
  const std::string text = allowed;
  std::vector<std::string> parts;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('|', begin), text.size());
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return parts;
}

void check_given_pairs(const QuantizationConfig& config) {
  const Complaint complaint{config, ""};
  visit_scheme_fields(config, AllowedValues(complaint));
  if (config.quant_type == kMixed && config.bits) check_mixed(config, {}, complaint);
  if (config.quant_type != kMixed) check_pairs(config, complaint);
}

}  // namespace vqt
