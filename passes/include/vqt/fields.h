// The one list of the config's fields, for JSON, flags, --help, Python and docs/config.md.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "vqt/config.h"

namespace vqt {

struct Field {
  const char* name;     // in JSON, C++ and Python; the flag is --name
  const char* alias;    // another accepted name, or ""
  const char* initial;  // the default as --help and docs/config.md print it
  const char* allowed;  // every legal value, separated by '|', or ""
  const char* help;     // one sentence, units included
};

// Calls visitor(const Field&, SchemeFields::*) for every field that says how one weight is stored.
template <class Visitor>
void visit_scheme_members(Visitor&& visitor) {
  visitor(
      Field{
          "quant_type", "", "int8_per_channel_sym",
          "int8_per_tensor_sym|int8_per_tensor_asym|int8_per_channel_sym|int8_per_channel_asym|int4_group|"
          "int16_per_tensor_sym|int16_per_channel_sym|mixed_precision",
          "how weights are stored, also as w8a8 or w4a16-g64; mixed_precision: sensitive_bits or normal_bits, layer "
          "by layer"},
      &SchemeFields::quant_type);
  visitor(
      Field{"bits", "num_bits", "from quant_type", "4|8|16",
            "bits per weight; 4 bits are stored in groups, 8 and 16 per channel unless per_channel is false"},
      &SchemeFields::bits);
  visitor(Field{"symmetric", "", "from quant_type, else true", "",
                "true: the zero point is 0; false: asymmetric, the zero point is chosen so that [min, max] "
                "is covered (4 and 8 bits)"},
          &SchemeFields::symmetric);
  visitor(Field{"per_channel", "", "from quant_type, else true", "",
                "one scale per output row; false: one for the whole weight (8 and 16 bits)"},
          &SchemeFields::per_channel);
  visitor(
      Field{"group_size", "", "128", "",
            "weights per scale of 4-bit groups: 1 or more, or -1 for one group per row; giving it implies "
            "4 bits"},
      &SchemeFields::group_size);
}

// Calls visitor(const Field&, member&) for the same fields of one object.
template <class Fields, class Visitor>
void visit_scheme_fields(Fields& fields, Visitor&& visitor) {
  visit_scheme_members([&](const Field& field, auto member) { visitor(field, fields.*member); });
}

// The same for two objects side by side: visitor(const Field&, member of a, member of b).
template <class Fields, class Visitor>
void visit_scheme_fields(Fields& a, const SchemeFields& b, Visitor&& visitor) {
  visit_scheme_members([&](const Field& field, auto member) { visitor(field, a.*member, b.*member); });
}

// Calls visitor(const Field&, member&) for every field of QuantizationConfig, in the order of docs/config.md.
template <class Config, class Visitor>
void visit_fields(Config& c, Visitor&& visitor) {
  visitor(Field{"name", "", "quant_type", "", "what reports call this config"}, c.name);
  visit_scheme_fields(c, visitor);
  visitor(Field{"skip_first_last", "", "true", "",
                "the first and the last Linear layer are kept in floating point"},
          c.skip_first_last);
  visitor(Field{"activation", "", "dynamic", "dynamic|static|none",
                "activations: each row quantized at run time, all rows by a calibrated range, or kept in "
                "floating point"},
          c.activation);
  visitor(Field{"activation_symmetric", "", "false", "",
                "quantize activations to signed values without a zero point"},
          c.activation_symmetric);
  visitor(Field{"calibration_samples", "", "100", "", "maximum number of images used for activation static"},
          c.calibration_samples);
  visitor(Field{"calibration_method", "", "minmax", "minmax|percentile|mse|entropy",
                "how activation static picks its range; only minmax in this version"},
          c.calibration_method);
  visitor(Field{"device", "", "cpu", "cpu|cuda", "the device whose kernels the weights are packed for"},
          c.device);
  visitor(Field{"sensitive_layers", "", "attention,head", "",
                "mixed_precision: patterns of the layers stored with sensitive_bits"},
          c.sensitive_layers);
  visitor(Field{"sensitive_bits", "", "8", "4|8|16",
                "mixed_precision: bits per weight of the layers in sensitive_layers"},
          c.sensitive_bits);
  visitor(Field{"normal_bits", "", "4", "4|8|16", "mixed_precision: bits per weight of all other layers"},
          c.normal_bits);
  visitor(Field{"ignore", "", "none", "", "patterns of the layers that are kept in floating point"},
          c.ignore);
  visitor(Field{"attention", "", "float", "float|bf16|int8",
                "softmax(q k^T) v: kept as it is, by torch's op in bfloat16, or in integers"},
          c.attention);
  visitor(Field{"convolutions", "", "float", "float|int8",
                "convolutions in floating point, or on 8-bit integers where they have kernels"},
          c.convolutions);
  visitor(Field{"algorithms", "", "none", "smoothquant|hadamard|gptq|bias_correction",
                "accuracy algorithms, in order; none of them is in this version"},
          c.algorithms);
  visitor(
      Field{"fusions", "", "all",
            "all|none|activation|residual|rotary|attention_prologue|shared_input|layer_norm|static_output|"
            "convolution|resize",
            "operations that layers compute together with their neighbors in one kernel"},
      c.fusions);
  visitor(
      Field{
          "overrides", "", "none", "",
          "JSON list of {\"targets\": [patterns], any field from quant_type to group_size} for single layers"},
      c.overrides);
}

// The list at run time, for --help, Python and tests.
struct FieldInfo {
  std::string name, alias, kind, initial;  // kind: text, integer, true|false, list, list of objects
  std::vector<std::string> allowed;
  std::string help;
};
std::vector<FieldInfo> config_fields();
// "--group-size" for group_size.
std::string flag_name(std::string field);

// "q.json: overrides[1].targets" or "--ignore": how an error names a field of this config.
std::string field_label(const QuantizationConfig& config, const std::string& path);

// Every field as one JSON object, with the resolved bits, symmetric, per_channel and group_size (absent where
// they have no meaning: per_channel of groups, bits of mixed_precision).
std::string resolved_json(const QuantizationConfig& config);

// Puts field flags over a config from a file or a preset: (field, the flag's values in order). A flag may be
// repeated and a list may use commas; a value that begins with re: is one pattern to its end, commas
// included. A flag replaces fields of the config that contradict it (--bits 4 the quant_type of the file);
// flags that contradict each other are a UsageError whose message names both. The result is validated.
using FlagValues = std::vector<std::pair<std::string, std::vector<std::string>>>;
void apply_flags(QuantizationConfig& config, const FlagValues& flags);
// The same for the fields of a JSON object. source: before their names in errors.
void replace_fields(QuantizationConfig& config, const std::string& json, const std::string& source);

}  // namespace vqt
