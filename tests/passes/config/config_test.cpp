// Configs from JSON and flags: what they resolve to, what they refuse and in which words.
#include "vqt/config.h"

#include <gmock/gmock.h>

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "vqt/fields.h"
#include "vqt/nearest.h"
#include "vqt/preset_note.h"

namespace vqt {

// How a failed case is printed.
void PrintTo(const Scheme& s, std::ostream* os) {
  *os << s.bits << (s.symmetric ? " sym " : " asym ") << to_string(s.granularity) << " " << s.group_size;
}

namespace {

using testing::HasSubstr;

constexpr Scheme tensor(int64_t bits, bool sym) { return {bits, sym, Granularity::kPerTensor, 0}; }
constexpr Scheme channel(int64_t bits, bool sym) { return {bits, sym, Granularity::kPerChannel, 0}; }
constexpr Scheme group(int64_t size, bool sym = true) { return {4, sym, Granularity::kGroup, size}; }

std::string error_of(const std::string& json) {
  try {
    QuantizationConfig::from_json(json, "q.json");
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

QuantizationConfig with_flags(QuantizationConfig config, const FlagValues& flags) {
  apply_flags(config, flags);
  return config;
}

std::string flag_error(QuantizationConfig config, const FlagValues& flags) {
  try {
    apply_flags(config, flags);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

// ---- what fields resolve to
struct Resolved {
  std::string json;
  Scheme scheme;
  std::string quant_type;
};

TEST(Config, FieldsResolveToASchemeAndItsName) {
  const Resolved cases[] = {
      {R"({})", channel(8, true), "int8_per_channel_sym"},
      {R"({"quant_type": "int8_per_tensor_sym"})", tensor(8, true), "int8_per_tensor_sym"},
      {R"({"quant_type": "int8_per_tensor_asym"})", tensor(8, false), "int8_per_tensor_asym"},
      {R"({"quant_type": "int8_per_channel_sym"})", channel(8, true), "int8_per_channel_sym"},
      {R"({"quant_type": "int8_per_channel_asym"})", channel(8, false), "int8_per_channel_asym"},
      {R"({"quant_type": "int4_group"})", group(128), "int4_group"},
      {R"({"quant_type": "int16_per_tensor_sym"})", tensor(16, true), "int16_per_tensor_sym"},
      {R"({"quant_type": "int16_per_channel_sym"})", channel(16, true), "int16_per_channel_sym"},
      // each field alone
      {R"({"bits": 4})", group(128), "int4_group"},
      {R"({"bits": 8})", channel(8, true), "int8_per_channel_sym"},
      {R"({"bits": 16})", channel(16, true), "int16_per_channel_sym"},
      {R"({"num_bits": 4})", group(128), "int4_group"},
      {R"({"symmetric": true})", channel(8, true), "int8_per_channel_sym"},
      {R"({"symmetric": false})", channel(8, false), "int8_per_channel_asym"},
      {R"({"per_channel": true})", channel(8, true), "int8_per_channel_sym"},
      {R"({"per_channel": false})", tensor(8, true), "int8_per_tensor_sym"},
      {R"({"group_size": 64})", group(64), "int4_group"},
      {R"({"group_size": -1})", group(-1), "int4_group"},
      {R"({"group_size": 1})", group(1), "int4_group"},
      {R"({"group_size": 7})", group(7), "int4_group"},
      // fields together
      {R"({"bits": 4, "group_size": 32})", group(32), "int4_group"},
      {R"({"bits": 4, "symmetric": false})", group(128, false), "int4_group"},
      {R"({"group_size": 32, "symmetric": false})", group(32, false), "int4_group"},
      {R"({"bits": 8, "per_channel": false, "symmetric": false})", tensor(8, false), "int8_per_tensor_asym"},
      {R"({"bits": 8, "per_channel": true})", channel(8, true), "int8_per_channel_sym"},
      {R"({"bits": 16, "per_channel": false})", tensor(16, true), "int16_per_tensor_sym"},
      {R"({"bits": 16, "symmetric": true})", channel(16, true), "int16_per_channel_sym"},
      {R"({"per_channel": false, "symmetric": false})", tensor(8, false), "int8_per_tensor_asym"},
      // with quant_type, where they say the same or what it leaves open
      {R"({"quant_type": "int4_group", "group_size": 64})", group(64), "int4_group"},
      {R"({"quant_type": "int4_group", "symmetric": false})", group(128, false), "int4_group"},
      {R"({"quant_type": "int4_group", "bits": 4, "group_size": -1, "symmetric": true})", group(-1),
       "int4_group"},
      {R"({"quant_type": "int8_per_tensor_asym", "bits": 8, "symmetric": false, "per_channel": false})",
       tensor(8, false), "int8_per_tensor_asym"},
      {R"({"quant_type": "int8_per_channel_sym", "bits": 8, "symmetric": true, "per_channel": true})",
       channel(8, true), "int8_per_channel_sym"},
      {R"({"quant_type": "int16_per_tensor_sym", "bits": 16, "symmetric": true, "per_channel": false})",
       tensor(16, true), "int16_per_tensor_sym"},
  };
  for (const Resolved& c : cases) {
    SCOPED_TRACE(c.json);
    const QuantizationConfig config = QuantizationConfig::from_json(c.json);
    EXPECT_EQ(resolve_scheme(config), c.scheme);
    EXPECT_EQ(config.display_name(), c.quant_type);
    const QuantizationConfig again = QuantizationConfig::from_json(config.to_json());
    EXPECT_EQ(resolve_scheme(again), c.scheme) << config.to_json();
    EXPECT_EQ(again.to_json(), config.to_json());
  }
}

TEST(Config, MixedPrecisionResolvesToTwoSchemes) {
  struct Case {
    std::string fields;
    Scheme sensitive, normal;
  };
  const Case cases[] = {
      {"", channel(8, true), group(128)},
      {R"(, "symmetric": false)", channel(8, false), group(128, false)},
      {R"(, "group_size": 64)", channel(8, true), group(64)},
      {R"(, "group_size": -1, "symmetric": true)", channel(8, true), group(-1)},
      {R"(, "sensitive_bits": 16)", channel(16, true), group(128)},
      {R"(, "sensitive_bits": 16, "symmetric": false)", channel(16, true), group(128, false)},
      {R"(, "sensitive_bits": 16, "normal_bits": 8)", channel(16, true), channel(8, true)},
      {R"(, "sensitive_bits": 4, "normal_bits": 8, "group_size": 32)", group(32), channel(8, true)},
      {R"(, "sensitive_bits": 4, "normal_bits": 4)", group(128), group(128)},
      {R"(, "per_channel": false)", tensor(8, true), group(128)},
      {R"(, "per_channel": false, "sensitive_bits": 16, "normal_bits": 8)", tensor(16, true),
       tensor(8, true)},
  };
  for (const Case& c : cases) {
    SCOPED_TRACE(c.fields);
    const auto config = QuantizationConfig::from_json(R"({"quant_type": "mixed_precision")" + c.fields + "}");
    EXPECT_TRUE(is_mixed(config));
    EXPECT_EQ(resolve_scheme(config, true), c.sensitive);
    EXPECT_EQ(resolve_scheme(config, false), c.normal);
    EXPECT_EQ(config.display_name(), "mixed_precision");
    const auto again = QuantizationConfig::from_json(config.to_json());
    EXPECT_EQ(resolve_scheme(again, true), c.sensitive) << config.to_json();
    EXPECT_EQ(resolve_scheme(again, false), c.normal) << config.to_json();
  }
}

TEST(Config, PresetsAreWhatTheyAreSaidToBe) {
  struct Case {
    std::string name;
    Scheme scheme;
    bool skip;
  };
  const Case cases[] = {{"production", channel(8, true), true}, {"mobile", group(64), true},
                        {"prototype", tensor(8, true), false},  {"int16", channel(16, true), true},
                        {"int8-asym", channel(8, false), true}, {"smallest", group(128), true}};
  ASSERT_EQ(preset_names().size(), 6u);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(preset_names()[i], cases[i].name);
    const QuantizationConfig config = QuantizationConfig::preset(cases[i].name);
    EXPECT_EQ(resolve_scheme(config), cases[i].scheme) << cases[i].name;
    EXPECT_EQ(config.skip_first_last, cases[i].skip) << cases[i].name;
    EXPECT_EQ(config.activation, ActivationMode::kDynamic);
    const char* others = cases[i].scheme.bits == 16 ? "float" : "int8";
    EXPECT_EQ(config.convolutions, others) << cases[i].name;
    EXPECT_EQ(config.attention, others) << cases[i].name;
    EXPECT_EQ(config.display_name(), cases[i].name);
    EXPECT_NO_THROW(validate(config));
  }
  EXPECT_EQ(QuantizationConfig::preset("int8_asym").display_name(), "int8-asym");
  try {
    QuantizationConfig::preset("int8-asm");
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_STREQ(e.what(),
                 "preset: expected one of production, mobile (or int4-g64), prototype (or int8-per-tensor), "
                 "int16, int8-asym, smallest, got \"int8-asm\"; nearest: int8-asym");
  }
}

TEST(Config, PresetsHaveAliasesThatSayWhatIsInThem) {
  for (const auto& [alias, name] : {std::pair("int4-g64", "mobile"), std::pair("int4_g64", "mobile"),
                                    std::pair("int8-per-tensor", "prototype")}) {
    const QuantizationConfig config = QuantizationConfig::preset(alias),
                             same = QuantizationConfig::preset(name);
    EXPECT_EQ(config.to_json(), same.to_json());
    EXPECT_EQ(config.display_name(), name);
    EXPECT_EQ(config.source, same.source);
  }
  EXPECT_THROW(QuantizationConfig::preset(""), UsageError);
}

TEST(Config, AnOlderNameOfAPresetIsTakenWithANote) {
  for (const char* name : {"max-accuracy", "max_accuracy"}) {
    EXPECT_EQ(QuantizationConfig::preset(name).to_json(), QuantizationConfig::preset("int16").to_json());
    EXPECT_THAT(preset_note(name), HasSubstr("is int16, the most accurate preset"));
  }
  for (const std::string& name : preset_names()) EXPECT_EQ(preset_note(name), "") << name;
}

// ---- contradictions: both fields are named, and only given fields can contradict
TEST(Config, ContradictionsNameBothFields) {
  struct Case {
    std::string json, first, second;
  };
  std::vector<Case> cases = {
      {R"({"bits": 8, "group_size": 64})", "group_size: 64", "bits 8"},
      {R"({"bits": 16, "group_size": 64})", "group_size: 64", "bits 16"},
      {R"({"bits": 4, "per_channel": true})", "per_channel: true", "bits 4"},
      {R"({"bits": 4, "per_channel": false})", "per_channel: false", "bits 4"},
      {R"({"bits": 16, "symmetric": false})", "symmetric: false", "bits 16"},
      {R"({"group_size": 64, "per_channel": true})", "per_channel: true", "group_size 64"},
      {R"({"group_size": -1, "per_channel": false})", "per_channel: false", "group_size -1"},
      {R"({"quant_type": "int4_group", "bits": 8})", "bits: 8", "quant_type int4_group"},
      {R"({"quant_type": "int4_group", "bits": 16})", "bits: 16", "quant_type int4_group"},
      {R"({"quant_type": "int4_group", "per_channel": true})", "per_channel: true", "quant_type int4_group"},
      {R"({"quant_type": "int4_group", "per_channel": false})", "per_channel: false",
       "quant_type int4_group"},
      {R"({"quant_type": "mixed_precision", "bits": 8})", "bits: 8", "quant_type mixed_precision"},
      {R"({"quant_type": "mixed_precision", "num_bits": 4})", "bits: 4", "quant_type mixed_precision"},
      {R"({"quant_type": "mixed_precision", "normal_bits": 8, "group_size": 64})", "group_size: 64",
       "normal_bits 8"},
      {R"({"quant_type": "mixed_precision", "sensitive_bits": 4, "per_channel": true})", "per_channel: true",
       "normal_bits 4"},
      {R"({"quant_type": "mixed_precision", "sensitive_bits": 16, "normal_bits": 16, "symmetric": false})",
       "symmetric: false", "normal_bits 16"},
      {R"({"sensitive_bits": 16})", "sensitive_bits: 16", "quant_type int8_per_channel_sym"},
      {R"({"bits": 4, "normal_bits": 8})", "normal_bits: 8", "quant_type int4_group"},
      {R"({"quant_type": "int16_per_tensor_sym", "sensitive_layers": ["fc"]})", "sensitive_layers: \"fc\"",
       "quant_type int16_per_tensor_sym"},
  };
  // every other type against each field that says otherwise
  struct Type {
    std::string name;
    int64_t bits;
    bool per_channel, symmetric;
  };
  for (const Type& t :
       {Type{"int8_per_tensor_sym", 8, false, true}, Type{"int8_per_tensor_asym", 8, false, false},
        Type{"int8_per_channel_sym", 8, true, true}, Type{"int8_per_channel_asym", 8, true, false},
        Type{"int16_per_tensor_sym", 16, false, true}, Type{"int16_per_channel_sym", 16, true, true}}) {
    const std::string open = R"({"quant_type": ")" + t.name + R"(", )", type = "quant_type " + t.name;
    for (const int64_t bits : {4, 8, 16}) {
      if (bits == t.bits) continue;
      cases.push_back(
          {open + "\"bits\": " + std::to_string(bits) + "}", "bits: " + std::to_string(bits), type});
    }
    cases.push_back({open + R"("group_size": 128})", "group_size: 128", type});
    const std::string other_channel = t.per_channel ? "false" : "true",
                      other_sym = t.symmetric ? "false" : "true";
    cases.push_back(
        {open + "\"per_channel\": " + other_channel + "}", "per_channel: " + other_channel, type});
    cases.push_back({open + "\"symmetric\": " + other_sym + "}", "symmetric: " + other_sym, type});
  }
  for (const Case& c : cases) {
    const std::string error = error_of(c.json);
    EXPECT_THAT(error, testing::StartsWith("q.json: " + c.first)) << c.json;
    EXPECT_THAT(error, HasSubstr(" contradicts " + c.second)) << c.json;
    // the same in an override, whose own fields are all that can contradict there
    const bool of_one_site = c.json.find("mixed") == std::string::npos &&
                             c.json.find("sensitive") == std::string::npos &&
                             c.json.find("normal_bits") == std::string::npos;
    if (!of_one_site) continue;
    const std::string in_override =
        R"({"bits": 16, "overrides": [{"targets": ["fc"], )" + c.json.substr(1) + "]}";
    EXPECT_THAT(error_of(in_override), testing::StartsWith("q.json: overrides[0]." + c.first)) << in_override;
  }
}

TEST(Config, DefaultsWrittenOutAreNoContradiction) {
  EXPECT_EQ(
      error_of(R"({"quant_type": "int8_per_channel_sym", "bits": 8, "symmetric": true, "per_channel": true,
      "skip_first_last": true, "activation": "dynamic", "activation_symmetric": false, "calibration_samples": 100,
      "calibration_method": "minmax", "device": "cpu", "sensitive_layers": ["attention", "head"], "sensitive_bits": 8,
      "normal_bits": 4, "ignore": [], "attention": "float", "convolutions": "float", "algorithms": [], "fusions": ["all"], "overrides": [], "name": ""})"),
      "no error");
}

// ---- other errors, word by word
TEST(Config, ErrorsSayWhereWhatWasExpectedAndWhatCame) {
  const std::pair<std::string, std::string> cases[] = {
      // types
      {R"({"bits": "8"})", "q.json: bits: expected an integer, got \"8\""},
      {R"({"bits": 8.0})", "q.json: bits: expected an integer, got 8.0"},
      {R"({"num_bits": true})", "q.json: num_bits: expected an integer, got true"},
      {R"({"bits": null})", "q.json: bits: expected an integer, got null"},
      {R"({"group_size": 18446744073709551615})",
       "q.json: group_size: expected an integer, got 18446744073709551615"},
      {R"({"symmetric": 1})", "q.json: symmetric: expected true or false, got 1"},
      {R"({"skip_first_last": "yes"})", "q.json: skip_first_last: expected true or false, got \"yes\""},
      {R"({"quant_type": 8})", "q.json: quant_type: expected a string, got 8"},
      {R"({"name": ["a"]})", "q.json: name: expected a string, got a list"},
      {R"({"ignore": "fc"})", "q.json: ignore: expected a list of strings, got \"fc\""},
      {R"({"ignore": ["fc", 3]})", "q.json: ignore[1]: expected a string, got 3"},
      {R"({"overrides": {}})", "q.json: overrides: expected a list of objects, got an object"},
      {R"({"overrides": [7]})",
       "q.json: overrides[0]: expected an object with targets and fields of a scheme, got 7"},
      {R"({"overrides": [{"targets": "fc", "bits": 4}]})",
       "q.json: overrides[0].targets: expected a list of strings, got \"fc\""},
      {R"([1])", "q.json: expected a JSON object such as {\"quant_type\": \"int4_group\"}, got a list"},
      {R"("int4_group")",
       "q.json: expected a JSON object such as {\"quant_type\": \"int4_group\"}, got \"int4_group\""},
      {"", "q.json: expected a JSON object such as {\"quant_type\": \"int4_group\"}, got an empty text"},
      {" \n\t", "q.json: expected a JSON object such as {\"quant_type\": \"int4_group\"}, got an empty text"},
      // values
      {R"({"bits": 5})", "q.json: bits: expected one of 4, 8, 16, got 5"},
      {R"({"quant_type": "mixed_precision", "normal_bits": 0})",
       "q.json: normal_bits: expected one of 4, 8, 16, got 0"},
      {R"({"quant_type": "mixed_precision", "sensitive_bits": 32})",
       "q.json: sensitive_bits: expected one of 4, 8, 16, got 32"},
      {R"({"group_size": 0})", "q.json: group_size: expected 1 or more, or -1 for one group per row, got 0"},
      {R"({"group_size": -2})",
       "q.json: group_size: expected 1 or more, or -1 for one group per row, got -2"},
      {R"({"calibration_samples": 0})", "q.json: calibration_samples: expected 1 or more images, got 0"},
      {R"({"activation": "dynamc"})",
       "q.json: activation: expected one of dynamic, static, none, got \"dynamc\"; nearest: dynamic"},
      {R"({"device": "cuda:0"})", "q.json: device: expected one of cpu, cuda, got \"cuda:0\"; nearest: cuda"},
      {R"({"quant_type": "int8_per_chanel_sym"})",
       "q.json: quant_type: expected one of int8_per_tensor_sym, int8_per_tensor_asym, int8_per_channel_sym, "
       "int8_per_channel_asym, int4_group, int16_per_tensor_sym, int16_per_channel_sym, mixed_precision, or a "
       "shorthand such as w8a8 or w4a8-g64, got \"int8_per_chanel_sym\"; nearest: int8_per_channel_sym"},
      {R"({"calibration_method": "min_max"})",
       "q.json: calibration_method: expected one of minmax, percentile, mse, entropy, got \"min_max\"; "
       "nearest: "
       "minmax"},
      {R"({"algorithms": ["smoothquant", "gtpq"]})",
       "q.json: algorithms: expected one of smoothquant, hadamard, gptq, bias_correction, got \"gtpq\"; "
       "nearest: "
       "gptq"},
      {R"({"fusions": ["rotary", "layernorm"]})",
       "q.json: fusions: expected one of all, none, activation, residual, rotary, attention_prologue, "
       "shared_input, layer_norm, static_output, convolution, resize, got \"layernorm\"; nearest: "
       "layer_norm"},
      {R"({"fusions": ["rotary", "none"]})",
       "q.json: fusions: expected names of fusions, or all or none alone, got \"rotary,none\""},
      {R"({"fusions": "all"})", "q.json: fusions: expected a list of strings, got \"all\""},
      // fields
      {R"({"bit": 8})", "q.json: bit: no such field; nearest: bits"},
      {R"({"Bits": 8})", "q.json: Bits: no such field; nearest: bits"},
      {R"({"": 8})", "q.json: \"\": no such field; nearest: name"},
      {R"({"group-size": 64})", "q.json: group-size: no such field; nearest: group_size"},
      {R"({"skip_first": true})", "q.json: skip_first: no such field; nearest: skip_first_last"},
      {R"({"bits": 4, "num_bits": 4})", "q.json: num_bits: the same field is given as bits too"},
      {R"({"bits": 4, "bits": 8})", "q.json: bits: given twice"},
      {R"({"ignore": ["a"], "name": "x", "ignore": ["b"]})", "q.json: ignore: given twice"},
      // overrides
      {R"({"overrides": [{"targets": ["a"], "bits": 8}, {"target": ["b"], "bits": 4}]})",
       "q.json: overrides[1].target: no such field; nearest: targets"},
      {R"({"overrides": [{"targets": ["a"], "bits": 8}, {"targets": ["b"], "bits": 4, "bits": 8}]})",
       "q.json: overrides[1].bits: given twice"},
      {R"({"overrides": [{"bits": 8}]})",
       "q.json: overrides[0].targets: expected at least one pattern, got none"},
      {R"({"overrides": [{"targets": [], "bits": 8}]})",
       "q.json: overrides[0].targets: expected at least one pattern, got none"},
      {R"({"overrides": [{"targets": ["fc"]}]})",
       "q.json: overrides[0]: expected at least one of quant_type, bits, symmetric, per_channel, group_size "
       "beside targets; to keep layers in floating point, list them in ignore"},
      {R"({"overrides": [{"targets": ["fc"], "activation": "none"}]})",
       "q.json: overrides[0].activation: applies to the whole config only; layers can have targets, "
       "quant_type, bits, symmetric, per_channel, group_size"},
      {R"({"overrides": [{"targets": ["fc"], "quant_type": "mixed_precision"}]})",
       "q.json: overrides[0].quant_type: expected a scheme for the layers in targets, got mixed_precision, "
       "which chooses layer by layer"},
      {R"({"overrides": [{"targets": ["fc"], "bits": 2}]})",
       "q.json: overrides[0].bits: expected one of 4, 8, 16, got 2"},
      {R"({"overrides": [{"targets": ["fc"], "group_size": 0}]})",
       "q.json: overrides[0].group_size: expected 1 or more, or -1 for one group per row, got 0"},
      // patterns
      {R"({"ignore": [""]})", "q.json: ignore: expected patterns, got an empty one"},
      {R"({"overrides": [{"targets": ["fc", ""], "bits": 4}]})",
       "q.json: overrides[0].targets: expected patterns, got an empty one"},
      // later versions
      {R"({"calibration_method": "entropy"})",
       "q.json: calibration_method: entropy is not available in this version, which calibrates by minmax "
       "only"},
      {R"({"convolutions": "int4"})",
       "q.json: convolutions: expected one of float, int8, got \"int4\"; nearest: int8"},
      {R"({"algorithms": ["smoothquant", "gptq"]})",
       "q.json: algorithms: smoothquant is not available in this version, which rounds to nearest without "
       "them; leave "
       "the list empty"},
  };
  for (const auto& [json, expected] : cases) EXPECT_EQ(error_of(json), expected) << json;
}

TEST(Config, SyntaxErrorsSayLineAndColumn) {
  EXPECT_THAT(error_of("{\"bits\": 4"), testing::StartsWith("q.json: line 1, column 11: syntax error"));
  EXPECT_THAT(error_of("{\"bits\": 4} x"), testing::StartsWith("q.json: line 1, column 13: syntax error"));
  EXPECT_THAT(error_of("{\"name\": \"\xff\"}"), testing::StartsWith("q.json: line 1, column "));
}

TEST(Config, MistakesOfThoseWhoWriteByHandAreNamed) {
  const std::string example = "q.json: expected a JSON object such as {\"quant_type\": \"int4_group\"}, got ";
  const std::pair<std::string, std::string> cases[] = {
      {"{\n  \"bits\": 4,\n}",
       "q.json: line 3, column 1: a comma stands before the }; JSON has none after the last value"},
      {"{\"ignore\": [\"a\", ]}",
       "q.json: line 1, column 18: a comma stands before the ]; JSON has none after the last value"},
      {"{\n  \"bits\": 4 \"name\": \"x\"}", "q.json: line 2, column 18: a comma is missing before this text"},
      {"{\"ignore\": [\"a\" \"b\"]}", "q.json: line 1, column 19: a comma is missing before this text"},
      {"{'bits': 4}", "q.json: line 1, column 2: JSON writes texts in double quotes, not in single ones"},
      {"{bits: 4}", "q.json: line 1, column 2: names of fields stand in double quotes"},
      {"{\"symmetric\": False}", "q.json: line 1, column 15: JSON writes true and false in small letters"},
      {"{\"bits\": None}", "q.json: line 1, column 10: JSON has no None; leave the field out"},
      {"{\n  # four bits\n  \"bits\": 4}", "q.json: line 2, column 3: comments begin with //, not with #"},
      {"quant_type: int4_group\ngroup_size: 64\n", example + "YAML"},
      {"---\n# a comment\n\nbits: 4\n", example + "YAML"},
      {"- fc1\n- fc2\n", example + "YAML"},
      {"bits = 4\n", example + "TOML"},
      {"[quantization]\nbits = 4\n", example + "TOML"},
      {"<!DOCTYPE html>", example + "HTML or XML"},
      {std::string("PK\x03\x04\0\0", 6), example + "a zip file (a model?)"},
      {std::string("\x08\x00\x12", 3), example + "a binary file"},
      {R"({"version": 3, "models": []})",
       example + "results of vqt-eval; the field config of each model there is one"},
  };
  for (const auto& [json, expected] : cases) EXPECT_EQ(error_of(json), expected) << json;
}

TEST(Config, CommentsAreLeftOut) {
  const QuantizationConfig config = QuantizationConfig::from_json(
      "// for the phone\n{\"bits\": 4, // small\n /* and\n fast */ \"group_size\": 32}");
  EXPECT_EQ(resolve_scheme(config), group(32));
}

// ---- the names that tables print
TEST(Shorthand, EveryPrintedNameIsAQuantType) {
  const Scheme schemes[] = {channel(8, true), channel(8, false), tensor(8, true), channel(16, true),
                            tensor(16, true), group(128),        group(64),       group(7, false),
                            group(1),         group(-1)};
  for (const Scheme& scheme : schemes) {
    for (const ActivationMode activation :
         {ActivationMode::kDynamic, ActivationMode::kStatic, ActivationMode::kNone}) {
      const std::string name = shorthand(scheme, activation), json = "{\"quant_type\": \"" + name + "\"}";
      for (const QuantizationConfig& config :
           {QuantizationConfig::from_json(json), with_flags({}, {{"quant_type", {name}}}),
            with_flags(QuantizationConfig::preset("mobile"), {{"quant_type", {name}}}),
            with_flags(QuantizationConfig::from_json(R"({"activation": "none"})"),
                       {{"quant_type", {name}}})}) {
        EXPECT_EQ(shorthand(resolve_scheme(config), config.activation), name) << config.to_json();
      }
      const QuantizationConfig base = QuantizationConfig::from_json(
          std::string(R"({"activation": ")") + to_string(activation) +
          R"(", "overrides": [{"targets": ["fc"], "quant_type": ")" + name + "\"}]}");
      EXPECT_EQ(shorthand(derive_scheme(resolve_scheme(base), base.overrides.at(0)), activation), name);
    }
  }
}

TEST(Shorthand, LeavesOpenWhatItDoesNotSay) {
  const auto scheme = [](const char* json) { return resolve_scheme(QuantizationConfig::from_json(json)); };
  EXPECT_EQ(scheme(R"({"quant_type": "W8A8"})"), channel(8, true));
  EXPECT_EQ(scheme(R"({"quant_type": "w8a8", "symmetric": false, "per_channel": false})"), tensor(8, false));
  EXPECT_EQ(scheme(R"({"quant_type": "w4a8", "group_size": 32, "symmetric": false})"), group(32, false));
  EXPECT_EQ(scheme(R"({"quant_type": "w4a8-g64", "bits": 4, "group_size": 64})"), group(64));
  EXPECT_EQ(QuantizationConfig::from_json(R"({"quant_type": "w8a8", "activation": "static"})").activation,
            ActivationMode::kStatic);
  EXPECT_EQ(with_flags(QuantizationConfig::preset("mobile"), {{"quant_type", {"w4a8"}}}).name, "mobile");
  EXPECT_EQ(with_flags(QuantizationConfig::preset("production"), {{"quant_type", {"w4a8-g64"}}}).name,
            "production quant_type=w4a8-g64");
}

TEST(Shorthand, ContradictsOtherFieldsByItsName) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"quant_type": "w8a8", "bits": 4})", "q.json: bits: 4 contradicts quant_type w8a8: it has 8 bits"},
      {R"({"quant_type": "w4a8-g64", "group_size": 32})",
       "q.json: group_size: 32 contradicts quant_type w4a8-g64: it has groups of 64"},
      {R"({"quant_type": "w4a8-row", "group_size": 32})",
       "q.json: group_size: 32 contradicts quant_type w4a8-row: it has one group per row"},
      {R"({"quant_type": "w4a16", "activation": "dynamic"})",
       "q.json: activation: dynamic contradicts quant_type w4a16: its activations are in floating point"},
      {R"({"quant_type": "w8a8", "activation": "none"})",
       "q.json: activation: none contradicts quant_type w8a8: its activations are quantized"},
      {R"({"overrides": [{"targets": ["fc"], "quant_type": "w4a16"}]})",
       "q.json: overrides[0].quant_type: w4a16 contradicts activation dynamic: its activations are in floating point, and "
       "activation is the whole config's"},
  };
  for (const auto& [json, expected] : cases) EXPECT_EQ(error_of(json), expected) << json;
  EXPECT_EQ(flag_error({}, {{"quant_type", {"w8a8"}}, {"activation", {"none"}}}),
            "--activation: none contradicts --quant-type w8a8: its activations are quantized");
  for (const char* name : {"w8a8-g64", "w16a8", "w4a4", "w4a8-g0", "w8", "w4a8-g"})
    EXPECT_THAT(error_of(std::string("{\"quant_type\": \"") + name + "\"}"),
                HasSubstr("or a shorthand such as w8a8"));
}

TEST(ReplaceFields, AreNamedByTheirSource) {
  const auto replaced = [](QuantizationConfig config, const char* json) {
    replace_fields(config, json, "here");
    return config;
  };
  const auto error = [&](const char* json) -> std::string {
    try {
      replaced(QuantizationConfig::preset("production"), json);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "no error";
  };
  const QuantizationConfig changed =
      replaced(QuantizationConfig::preset("production"), R"({"num_bits": 4, "ignore": ["a", "b"]})");
  EXPECT_EQ(resolve_scheme(changed), group(128));
  EXPECT_EQ(changed.name, "production bits=4 ignore=a,b");
  EXPECT_EQ(error(R"({"bitz": 4})"), "here: bitz: no such field; nearest: bits");
  EXPECT_EQ(error(R"({"bits": "4"})"), "here: bits: expected an integer, got \"4\"");
  EXPECT_EQ(error(R"({"bits": 8, "group_size": 64})"),
            "here: group_size: 64 contradicts bits 8: only 4 bits are stored in groups");
}

TEST(NearestName, AnAbbreviationIsNearestToANameThatHasIt) {
  EXPECT_EQ(nearest_name("int4", {"mobile", "int4-g64", "smallest"}), "int4-g64");
  EXPECT_EQ(nearest_name("bt", {"bits", "subtle"}), "bits");  // two letters are in many names
  try {
    QuantizationConfig::preset("int4");
    ADD_FAILURE();
  } catch (const UsageError& e) {
    const std::string text = e.what(), name = text.substr(text.rfind(' ') + 1);
    EXPECT_EQ(resolve_scheme(QuantizationConfig::preset(name)).bits, 4) << text;
  }
}

TEST(Config, BadRegularExpressionsAreNamed) {
  EXPECT_THAT(error_of(R"({"ignore": ["fc", "re:a(b"]})"),
              testing::StartsWith("q.json: ignore: \"re:a(b\" is not a regular expression: "));
  EXPECT_THAT(error_of(R"({"overrides": [{"targets": ["re:["], "bits": 4}]})"),
              testing::StartsWith("q.json: overrides[0].targets: \"re:[\" is not a regular expression: "));
  EXPECT_THAT(error_of(R"({"quant_type": "mixed_precision", "sensitive_layers": ["re:*"]})"),
              testing::StartsWith("q.json: sensitive_layers: \"re:*\" is not a regular expression: "));
}

TEST(Config, FilesThatCannotBeReadSayWhy) {
  const auto file_error = [](const std::string& path) -> std::string {
    try {
      QuantizationConfig::from_file(path);
    } catch (const UsageError& e) {
      return e.what();
    }
    return "no error";
  };
  EXPECT_EQ(file_error("/no/such/q.json"), "/no/such/q.json: cannot be read: No such file or directory");
  EXPECT_EQ(file_error("/tmp"), "/tmp: expected a JSON file, got a folder");
  const std::string path = testing::TempDir() + "vqt_config_test.json";
  std::ofstream(path) << R"({"bits": 3})";
  EXPECT_EQ(file_error(path), path + ": bits: expected one of 4, 8, 16, got 3");
  std::ofstream(path) << R"({"bits": 4, "ignore": ["head"]})";
  EXPECT_EQ(QuantizationConfig::from_file(path).ignore, std::vector<std::string>{"head"});
  std::ofstream(path).close();
  EXPECT_THAT(file_error(path), HasSubstr("got an empty text"));
  std::remove(path.c_str());
}

TEST(Config, EveryFieldIsReadAndWrittenBack) {
  const std::string json =
      R"({"name":"n","quant_type":"mixed_precision","symmetric":false,"group_size":32,)"
      R"("skip_first_last":false,"activation":"static","activation_symmetric":true,)"
      R"("calibration_samples":7,"device":"cuda","sensitive_layers":["fc2"],"sensitive_bits":16,)"
      R"("normal_bits":4,"ignore":["head","re:a.*"],)"
      R"("overrides":[{"targets":["x.y","z"],"bits":8,"symmetric":true,"per_channel":false},)"
      R"({"targets":["q"],"quant_type":"int4_group","group_size":-1}]})";
  const QuantizationConfig c = QuantizationConfig::from_json(json);
  EXPECT_EQ(c.name, "n");
  EXPECT_FALSE(c.skip_first_last);
  EXPECT_EQ(c.activation, ActivationMode::kStatic);
  EXPECT_TRUE(c.activation_symmetric);
  EXPECT_EQ(c.calibration_samples, 7);
  EXPECT_EQ(c.device, "cuda");
  EXPECT_EQ(c.sensitive_layers, std::vector<std::string>{"fc2"});
  EXPECT_TRUE(c.sensitive_layers_given);
  EXPECT_EQ(c.sensitive_bits, 16);
  EXPECT_EQ(c.ignore, (std::vector<std::string>{"head", "re:a.*"}));
  ASSERT_EQ(c.overrides.size(), 2u);
  EXPECT_EQ(c.overrides[0].targets, (std::vector<std::string>{"x.y", "z"}));
  EXPECT_EQ(c.overrides[0].per_channel, false);
  EXPECT_EQ(c.overrides[1].group_size, -1);
  // normal_bits is its default and is left out; everything else comes back in the order of the list
  nlohmann::ordered_json expected = nlohmann::ordered_json::parse(json);
  expected.erase("normal_bits");
  EXPECT_EQ(c.to_json(-1), expected.dump());
  EXPECT_EQ(QuantizationConfig().to_json(-1), R"({"quant_type":"int8_per_channel_sym"})");
  EXPECT_EQ(QuantizationConfig::from_json(R"({"sensitive_layers": ["attention", "head"]})").to_json(-1),
            R"({"quant_type":"int8_per_channel_sym","sensitive_layers":["attention","head"]})");
}

TEST(Config, ConfigsMadeInCppAreValidatedToo) {
  const auto error = [](const QuantizationConfig& c) -> std::string {
    try {
      validate(c, "mine");
    } catch (const UsageError& e) {
      return e.what();
    }
    return "no error";
  };
  QuantizationConfig c;
  EXPECT_EQ(error(c), "no error");
  c.device = "gpu";
  EXPECT_EQ(error(c), "mine: device: expected one of cpu, cuda, got \"gpu\"; nearest: cpu");
  c = {};
  c.bits = 12;
  EXPECT_EQ(error(c), "mine: bits: expected one of 4, 8, 16, got 12");
  c = {};
  c.overrides.push_back({});
  EXPECT_EQ(error(c), "mine: overrides[0].targets: expected at least one pattern, got none");
}

// ---- overrides: from the base scheme, what is left open derived again
TEST(DeriveScheme, StartsFromTheBase) {
  struct Case {
    Scheme base;
    std::string fields;
    Scheme expected;
  };
  const Case cases[] = {
      {channel(8, true), R"("bits": 4)", group(128)},
      {channel(8, true), R"("bits": 16)", channel(16, true)},
      {channel(8, true), R"("group_size": 32)", group(32)},
      {channel(8, true), R"("symmetric": false)", channel(8, false)},
      {channel(8, true), R"("per_channel": false)", tensor(8, true)},
      {tensor(8, false), R"("symmetric": true)", tensor(8, true)},
      {tensor(8, false), R"("bits": 16)", tensor(16, true)},
      {tensor(8, false), R"("bits": 4)", group(128, false)},
      {tensor(8, false), R"("per_channel": true)", channel(8, false)},
      {tensor(8, true), R"("bits": 8)", tensor(8, true)},
      {group(64), R"("bits": 4)", group(64)},
      {group(64), R"("bits": 8)", channel(8, true)},
      {group(64), R"("bits": 16)", channel(16, true)},
      {group(64), R"("symmetric": false)", group(64, false)},
      {group(64), R"("group_size": 16)", group(16)},
      {group(64), R"("per_channel": true)", channel(8, true)},
      {group(64), R"("per_channel": false)", tensor(8, true)},
      {group(64, false), R"("bits": 8)", channel(8, false)},
      {group(64, false), R"("bits": 16)", channel(16, true)},
      {group(64, false), R"("quant_type": "int8_per_channel_sym")", channel(8, true)},
      {group(64, false), R"("quant_type": "int4_group")", group(64, false)},
      {group(64, false), R"("quant_type": "int4_group", "symmetric": true, "group_size": -1)", group(-1)},
      {group(-1), R"("symmetric": false)", group(-1, false)},
      {channel(16, true), R"("symmetric": false, "bits": 8)", channel(8, false)},
      {channel(16, true), R"("bits": 4)", group(128)},
      {tensor(16, true), R"("bits": 8)", tensor(8, true)},
      {channel(8, false), R"("quant_type": "int8_per_tensor_sym")", tensor(8, true)},
      {channel(8, false), R"("quant_type": "int8_per_tensor_asym")", tensor(8, false)},
      {channel(8, true), R"("quant_type": "int16_per_tensor_sym")", tensor(16, true)},
      {tensor(8, true), R"("quant_type": "int16_per_channel_sym")", channel(16, true)},
      {tensor(8, true), R"("quant_type": "int8_per_channel_asym", "bits": 8)", channel(8, false)},
  };
  for (const Case& c : cases) {
    const auto config =
        QuantizationConfig::from_json(R"({"overrides": [{"targets": ["x"], )" + c.fields + "}]}");
    EXPECT_EQ(derive_scheme(c.base, config.overrides[0]), c.expected)
        << testing::PrintToString(c.base) << " with " << c.fields;
  }
}

// ---- flags
TEST(Flags, SetEveryKindOfField) {
  QuantizationConfig c = with_flags({}, {{"bits", {"4"}},
                                         {"symmetric", {"false"}},
                                         {"group_size", {"-1"}},
                                         {"activation", {"none"}},
                                         {"skip_first_last", {"false"}},
                                         {"name", {"mine"}},
                                         {"calibration_samples", {" 12 "}},
                                         {"ignore", {"head, fc1", "x.y"}},
                                         {"overrides", {R"([{"targets": ["a"], "bits": 8}])"}}});
  EXPECT_EQ(resolve_scheme(c), group(-1, false));
  EXPECT_EQ(c.activation, ActivationMode::kNone);
  EXPECT_FALSE(c.skip_first_last);
  EXPECT_EQ(c.name, "mine");
  EXPECT_EQ(c.calibration_samples, 12);
  EXPECT_EQ(c.ignore, (std::vector<std::string>{"head", "fc1", "x.y"}));
  ASSERT_EQ(c.overrides.size(), 1u);
  EXPECT_EQ(c.overrides[0].bits, 8);
  EXPECT_EQ(resolve_scheme(with_flags({}, {{"num_bits", {"16"}}})), channel(16, true));
}

TEST(Flags, ARegularExpressionKeepsItsCommas) {
  EXPECT_EQ(with_flags({}, {{"ignore", {"head,re:a{1,3},b", "c"}}}).ignore,
            (std::vector<std::string>{"head", "re:a{1,3},b", "c"}));
  EXPECT_EQ(with_flags({}, {{"ignore", {""}}}).ignore, std::vector<std::string>());
}

TEST(Flags, OverrideTheFileAndWhatTheyContradictGivesWay) {
  struct Case {
    std::string file;
    FlagValues flags;
    std::string expected;
  };
  const Case cases[] = {
      {R"({"quant_type": "int8_per_channel_sym"})", {{"bits", {"4"}}}, R"({"quant_type":"int4_group"})"},
      {R"({"quant_type": "int8_per_channel_sym"})",
       {{"symmetric", {"false"}}},
       R"({"quant_type":"int8_per_channel_asym"})"},
      {R"({"quant_type": "int8_per_tensor_asym"})",
       {{"symmetric", {"true"}}},
       R"({"quant_type":"int8_per_tensor_sym"})"},
      {R"({"bits": 8})", {{"quant_type", {"int4_group"}}}, R"({"quant_type":"int4_group"})"},
      {R"({"group_size": 64, "symmetric": false})",
       {{"bits", {"8"}}},
       R"({"quant_type":"int8_per_channel_asym"})"},
      {R"({"group_size": 64, "symmetric": false})",
       {{"group_size", {"32"}}},
       R"({"quant_type":"int4_group","symmetric":false,"group_size":32})"},
      {R"({"bits": 4})", {{"per_channel", {"false"}}}, R"({"quant_type":"int8_per_tensor_sym"})"},
      {R"({"symmetric": false})", {{"bits", {"16"}}}, R"({"quant_type":"int16_per_channel_sym"})"},
      {R"({"bits": 8})", {{"quant_type", {"mixed_precision"}}}, R"({"quant_type":"mixed_precision"})"},
      {R"({"quant_type": "mixed_precision", "sensitive_bits": 16, "sensitive_layers": ["fc"], "group_size": 64})",
       {{"group_size", {"32"}}},
       R"({"quant_type":"mixed_precision","group_size":32,"sensitive_layers":["fc"],"sensitive_bits":16})"},
      {R"({"quant_type": "mixed_precision", "sensitive_bits": 16, "sensitive_layers": ["fc"], "group_size": 64})",
       {{"quant_type", {"int8_per_tensor_sym"}}},
       R"({"quant_type":"int8_per_tensor_sym"})"},
      {R"({"quant_type": "mixed_precision", "symmetric": false})",
       {{"bits", {"8"}}},
       R"({"quant_type":"int8_per_channel_asym"})"},
      {R"({"ignore": ["a", "b"], "skip_first_last": false})",
       {{"ignore", {"c"}}},
       R"({"quant_type":"int8_per_channel_sym","skip_first_last":false,"ignore":["c"]})"},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(with_flags(QuantizationConfig::from_json(c.file), c.flags).to_json(-1), c.expected)
        << c.file << " --" << c.flags[0].first << " " << c.flags[0].second[0];
  }
}

TEST(Flags, ErrorsNameTheFlag) {
  const QuantizationConfig file = QuantizationConfig::from_json(R"({"ignore": ["x"]})", "q.json");
  const std::pair<FlagValues, std::string> cases[] = {
      {{{"bits", {"4.5"}}}, "--bits: expected an integer, got \"4.5\""},
      {{{"bits", {""}}}, "--bits: expected an integer, got \"\""},
      {{{"bits", {"99999999999999999999"}}}, "--bits: expected an integer, got \"99999999999999999999\""},
      {{{"bits", {"5"}}}, "--bits: expected one of 4, 8, 16, got 5"},
      {{{"bits", {"4", "8"}}}, "--bits: expected one value, got 2"},
      {{{"bits", {"4"}}, {"num_bits", {"8"}}}, "--num-bits: expected one value, got 2"},
      {{{"symmetric", {"1"}}}, "--symmetric: expected true or false, got \"1\""},
      {{{"bits", {"16"}}, {"symmetric", {"false"}}},
       "--symmetric: false contradicts --bits 16: 16 bits are symmetric only"},
      {{{"quant_type", {"int4_group"}}, {"bits", {"8"}}},
       "--bits: 8 contradicts --quant-type int4_group: it has 4 bits"},
      {{{"quant_type", {"mixed_precision"}}, {"bits", {"8"}}},
       "--bits: 8 contradicts --quant-type mixed_precision: its widths are sensitive_bits and normal_bits"},
      {{{"activation", {"statc"}}},
       "--activation: expected one of dynamic, static, none, got \"statc\"; nearest: static"},
      {{{"group_sze", {"4"}}}, "--group-sze: no such field; nearest: --group-size"},
      {{{"overrides", {R"([{"targets": ["a"], "bits": 3}])"}}},
       "--overrides[0].bits: expected one of 4, 8, 16, got 3"},
      {{{"overrides", {"a"}}},
       "--overrides: line 1, column 1: syntax error while parsing value - invalid literal; last read: 'a'"},
      {{{"algorithms", {"gptq"}}},
       "--algorithms: gptq is not available in this version, which rounds to nearest without them; leave the "
       "list "
       "empty"},
      {{{"sensitive_bits", {"16"}}},
       "--sensitive-bits: 16 contradicts quant_type int8_per_channel_sym: only mixed_precision uses it"},
  };
  for (const auto& [flags, expected] : cases) EXPECT_EQ(flag_error(file, flags), expected);
}

TEST(Flags, AChangedPresetSaysSoInItsName) {
  const QuantizationConfig production = QuantizationConfig::preset("production");
  EXPECT_EQ(with_flags(production, {}).display_name(), "production");
  EXPECT_EQ(with_flags(production, {{"device", {"cuda"}}}).display_name(), "production");
  EXPECT_EQ(with_flags(production, {{"skip_first_last", {"true"}}}).display_name(), "production");
  EXPECT_EQ(with_flags(production, {{"activation", {"none"}}}).display_name(), "production activation=none");
  EXPECT_EQ(with_flags(production, {{"bits", {"4"}}}).display_name(), "production bits=4");
  EXPECT_EQ(with_flags(production, {{"bits", {"8"}}, {"per_channel", {"true"}}}).display_name(),
            "production");
  EXPECT_EQ(with_flags(production, {{"ignore", {"fc1,fc2"}}}).display_name(), "production ignore=fc1,fc2");
  EXPECT_EQ(with_flags(production, {{"bits", {"4"}}, {"name", {"small"}}}).display_name(), "small");
}

// ---- fusions
TEST(Config, FusionsAreAllUnlessSomeAreNamed) {
  const auto chosen = [](const std::string& json) {
    return chosen_fusions(QuantizationConfig::from_json(json));
  };
  const std::vector<std::string> all = {"activation",         "residual",     "rotary",
                                        "attention_prologue", "shared_input", "layer_norm",
                                        "static_output",      "convolution",  "resize"};
  EXPECT_EQ(chosen("{}"), all);
  EXPECT_EQ(chosen(R"({"fusions": ["all"]})"), all);
  EXPECT_THAT(chosen(R"({"fusions": ["none"]})"), testing::IsEmpty());
  EXPECT_THAT(chosen(R"({"fusions": []})"), testing::IsEmpty());
  EXPECT_THAT(chosen(R"({"fusions": ["rotary", "activation", "rotary"]})"),
              testing::ElementsAre("activation", "rotary"));
  EXPECT_THAT(chosen_fusions(with_flags({}, {{"fusions", {"layer_norm,residual"}}})),
              testing::ElementsAre("residual", "layer_norm"));
  QuantizationConfig changed = QuantizationConfig::preset("production");
  apply_flags(changed, {{"fusions", {"none"}}});
  EXPECT_EQ(changed.name, "production fusions=none");
  EXPECT_EQ(chosen_fusions(QuantizationConfig::from_json(changed.to_json())), std::vector<std::string>{});
}

// ---- the field list itself
TEST(Fields, TheListIsComplete) {
  std::vector<std::string> names;
  for (const FieldInfo& f : config_fields()) {
    names.push_back(f.name);
    EXPECT_FALSE(f.help.empty()) << f.name;
    EXPECT_FALSE(f.initial.empty()) << f.name;
  }
  EXPECT_THAT(names, testing::ElementsAre(
                         "name", "quant_type", "bits", "symmetric", "per_channel", "group_size",
                         "skip_first_last", "activation", "activation_symmetric", "calibration_samples",
                         "calibration_method", "device", "sensitive_layers", "sensitive_bits", "normal_bits",
                         "ignore", "attention", "convolutions", "algorithms", "fusions", "overrides"));
}

// The defaults that --help prints are the ones a config has.
TEST(Fields, PrintedDefaultsAreTheRealOnes) {
  const QuantizationConfig defaults;
  for (const FieldInfo& f : config_fields()) {
    if (f.initial.rfind("from ", 0) == 0 || f.name == "name" || f.initial == "none") continue;
    if (f.name == "group_size") {
      EXPECT_EQ(resolve_scheme(with_flags({}, {{"bits", {"4"}}})).group_size, std::stoll(f.initial));
    } else {
      QuantizationConfig c = with_flags(defaults, {{f.name, {f.initial}}});
      c.sensitive_layers_given = false;  // being given is what a flag adds
      EXPECT_EQ(c.to_json(), defaults.to_json()) << f.name;
    }
  }
}

}  // namespace
}  // namespace vqt
