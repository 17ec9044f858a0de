// Which rule decides about a site: tables of sites and configs in, schemes and reasons out.
#include "vqt/plan.h"

#include <gmock/gmock.h>

#include "vqt/fields.h"

namespace vqt {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

SiteInfo site(const std::string& name, int64_t n = 64, int64_t k = 256) {
  SiteInfo s;
  s.name = name;
  s.n = n;
  s.k = k;
  s.weight_bytes = n * k * 4;
  s.calls = 1;
  return s;
}

std::vector<SiteInfo> named(const std::vector<std::string>& names) {
  std::vector<SiteInfo> sites;
  for (const std::string& name : names) sites.push_back(site(name));
  return sites;
}

// A small transformer, in the order its forward runs.
std::vector<SiteInfo> transformer() {
  return named({"embed.proj", "blocks.0.attn.qkv", "blocks.0.attn.proj", "blocks.0.mlp.fc1",
                "blocks.0.mlp.fc2", "blocks.1.attn.qkv", "blocks.1.attn.proj", "blocks.1.mlp.fc1",
                "blocks.1.mlp.fc2", "camera_head.fc"});
}

std::string line(const SiteInfo& s, const PlannedSite& p) {
  std::string text = s.name + ": ";
  if (p.keep_float) {
    text += "float";
  } else {
    text += shorthand(p.scheme, p.activation) + (p.scheme.symmetric ? "" : " asym") +
            (p.scheme.granularity == Granularity::kPerTensor ? " per_tensor" : "");
  }
  return text + (p.reason.empty() ? "" : " | " + p.reason);
}

std::vector<std::string> plan(const std::vector<SiteInfo>& sites, const std::string& json) {
  const std::vector<PlannedSite> planned = plan_schemes(sites, QuantizationConfig::from_json(json, "q.json"));
  std::vector<std::string> lines;
  for (size_t i = 0; i < sites.size(); ++i) lines.push_back(line(sites.at(i), planned.at(i)));
  return lines;
}

std::string plan_error(const std::vector<SiteInfo>& sites, const std::string& json) {
  try {
    plan(sites, json);
  } catch (const UsageError& e) {
    return e.what();
  }
  return "no error";
}

TEST(Plan, TheDefaultKeepsTheFirstAndTheLastSiteFloat) {
  EXPECT_THAT(plan(named({"a", "b", "c"}), "{}"),
              ElementsAre("a: float | skip_first_last: first layer", "b: w8a8",
                          "c: float | skip_first_last: last layer"));
  EXPECT_THAT(plan(named({"a", "b"}), "{}"), ElementsAre("a: float | skip_first_last: first layer",
                                                         "b: float | skip_first_last: last layer"));
  EXPECT_THAT(plan(named({"a"}), "{}"), ElementsAre("a: float | skip_first_last: the only layer"));
  EXPECT_THAT(plan(named({"a", "b"}), R"({"skip_first_last": false})"), ElementsAre("a: w8a8", "b: w8a8"));
  EXPECT_THAT(plan({}, "{}"), ElementsAre());
}

TEST(Plan, FirstAndLastAreSitesThatAlwaysRun) {
  std::vector<SiteInfo> sites = named({"unused", "optional", "a", "b", "c", "track"});
  sites[0].calls = 0;
  sites[1].optional_only = true;
  sites[5].optional_only = true;
  EXPECT_THAT(plan(sites, "{}"),
              ElementsAre("unused: w8a8", "optional: w8a8", "a: float | skip_first_last: first layer",
                          "b: w8a8", "c: float | skip_first_last: last layer", "track: w8a8"));
}

TEST(Plan, FirstAndLastAreCountedBeforeAnythingIsIgnoredOrRefused) {
  std::vector<SiteInfo> sites = named({"a", "b", "c", "d"});
  EXPECT_THAT(
      plan(sites, R"({"ignore": ["a"]})"),
      ElementsAre("a: float | ignore \"a\"", "b: w8a8", "c: w8a8", "d: float | skip_first_last: last layer"));
  sites[0].unsupported_reason = "its weight is also used by aten::embedding";
  sites[3].unsupported_reason = "its owner is ambiguous";
  EXPECT_THAT(plan(sites, "{}"), ElementsAre("a: float | its weight is also used by aten::embedding",
                                             "b: w8a8", "c: w8a8", "d: float | its owner is ambiguous"));
}

TEST(Plan, RulesInTheirOrder) {
  const std::string rules = R"(, "quant_type": "mixed_precision", "overrides": [
      {"targets": ["embed.proj", "camera_head", "fc2", "blocks.0"], "bits": 16},
      {"targets": ["blocks.0.mlp", "attn"], "bits": 8, "symmetric": false},
      {"targets": ["re:blocks\\.1\\.attn\\.qkv"], "group_size": 32}]})";
  EXPECT_THAT(
      plan(transformer(), R"({"ignore": ["blocks.1.mlp.fc1"])" + rules),
      ElementsAre(
          "embed.proj: float | skip_first_last: first layer",
          "blocks.0.attn.qkv: w8a8 asym | overrides[1] \"attn\"",
          "blocks.0.attn.proj: w8a8 asym | overrides[1] \"attn\"",
          "blocks.0.mlp.fc1: w8a8 asym | overrides[1] \"blocks.0.mlp\"",
          "blocks.0.mlp.fc2: w8a8 asym | overrides[1] \"blocks.0.mlp\"",
          "blocks.1.attn.qkv: w4a8-g32 | overrides[2] \"re:blocks\\.1\\.attn\\.qkv\"",
          "blocks.1.attn.proj: w8a8 asym | overrides[1] \"attn\"",
          "blocks.1.mlp.fc1: float | ignore \"blocks.1.mlp.fc1\"",
          "blocks.1.mlp.fc2: w16a16 | overrides[0] \"fc2\"; 16 bits compute with floating-point activations",
          "camera_head.fc: float | skip_first_last: last layer"));
  EXPECT_THAT(
      plan(transformer(), R"({"skip_first_last": false, "ignore": ["attn", "fc1", "fc2"])" + rules),
      ElementsAre(
          "embed.proj: w16a16 | overrides[0] \"embed.proj\"; 16 bits compute with floating-point activations",
          "blocks.0.attn.qkv: float | ignore \"attn\"", "blocks.0.attn.proj: float | ignore \"attn\"",
          "blocks.0.mlp.fc1: float | ignore \"fc1\"", "blocks.0.mlp.fc2: float | ignore \"fc2\"",
          "blocks.1.attn.qkv: float | ignore \"attn\"", "blocks.1.attn.proj: float | ignore \"attn\"",
          "blocks.1.mlp.fc1: float | ignore \"fc1\"", "blocks.1.mlp.fc2: float | ignore \"fc2\"",
          "camera_head.fc: w16a16 | overrides[0] \"camera_head\"; 16 bits compute with "
          "floating-point activations"));
}

TEST(Plan, MixedPrecisionChoosesBySite) {
  EXPECT_THAT(plan(transformer(), R"({"quant_type": "mixed_precision", "skip_first_last": false})"),
              ElementsAre("embed.proj: w4a8-g128 | mixed_precision: normal",
                          "blocks.0.attn.qkv: w8a8 | mixed_precision: sensitive \"attention\"",
                          "blocks.0.attn.proj: w8a8 | mixed_precision: sensitive \"attention\"",
                          "blocks.0.mlp.fc1: w4a8-g128 | mixed_precision: normal",
                          "blocks.0.mlp.fc2: w4a8-g128 | mixed_precision: normal",
                          "blocks.1.attn.qkv: w8a8 | mixed_precision: sensitive \"attention\"",
                          "blocks.1.attn.proj: w8a8 | mixed_precision: sensitive \"attention\"",
                          "blocks.1.mlp.fc1: w4a8-g128 | mixed_precision: normal",
                          "blocks.1.mlp.fc2: w4a8-g128 | mixed_precision: normal",
                          "camera_head.fc: w8a8 | mixed_precision: sensitive \"head\""));
  EXPECT_THAT(
      plan(named({"x", "fc1", "fc2", "y"}),
           R"({"quant_type": "mixed_precision", "sensitive_layers": ["fc2"], "sensitive_bits": 16,
                       "symmetric": false, "group_size": 64, "overrides": [{"targets": ["fc2"], "bits": 8}]})"),
      ElementsAre("x: float | skip_first_last: first layer", "fc1: w4a8-g64 asym | mixed_precision: normal",
                  "fc2: w8a8 | overrides[0] \"fc2\"", "y: float | skip_first_last: last layer"));
}

TEST(Plan, AnOverrideStartsFromWhatMixedPrecisionGivesTheSite) {
  EXPECT_THAT(
      plan(named({"x", "attn", "fc", "y"}), R"({"quant_type": "mixed_precision",
                       "overrides": [{"targets": ["attn", "fc"], "symmetric": false}]})"),
      ElementsAre("x: float | skip_first_last: first layer", "attn: w8a8 asym | overrides[0] \"attn\"",
                  "fc: w4a8-g128 asym | overrides[0] \"fc\"", "y: float | skip_first_last: last layer"));
}

// A convolution that is stored as a matrix [n, k].
SiteInfo convolution(const std::string& name, int64_t n = 64, int64_t k = 576) {
  SiteInfo s = site(name, n, k);
  s.kind = SiteKind::kConvolution;
  s.stored_n = n;
  s.stored_k = k;
  return s;
}

// A vision transformer with a dense head.
std::vector<SiteInfo> dense() {
  return {convolution("patch"),
          site("fc1"),
          site("fc2"),
          site("fc3"),
          convolution("head.a"),
          convolution("head.b"),
          convolution("head.last")};
}

TEST(Plan, ConvolutionsAreFloatUnlessAskedFor) {
  EXPECT_THAT(plan(dense(), R"({"convolutions": "float", "skip_first_last": false, "overrides": [
      {"targets": ["head.a"], "bits": 8}]})"),
              ElementsAre("patch: float | convolutions: float", "fc1: w8a8", "fc2: w8a8", "fc3: w8a8",
                          "head.a: float | convolutions: float", "head.b: float | convolutions: float",
                          "head.last: float | convolutions: float"));
}

TEST(Plan, AConvolutionIsFirstOrLastOfAllLayersAndALinearOfTheLinears) {
  EXPECT_THAT(
      plan(dense(), R"({"convolutions": "int8"})"),
      ElementsAre("patch: float | skip_first_last: first layer", "fc1: float | skip_first_last: first layer",
                  "fc2: w8a8", "fc3: float | skip_first_last: last layer", "head.a: w8a8", "head.b: w8a8",
                  "head.last: float | skip_first_last: last layer"));
  const std::vector<SiteInfo> classifier = {convolution("stem"), convolution("layer4"), site("fc")};
  EXPECT_THAT(plan(classifier, R"({"convolutions": "int8"})"),
              ElementsAre("stem: float | skip_first_last: first layer", "layer4: w8a8",
                          "fc: float | skip_first_last: the only layer"));
}

TEST(Plan, ConvolutionsHaveOneSchemeOrAreFloat) {
  const auto reason = [](const std::string& fields) {
    return plan({convolution("head.a")},
                R"({"convolutions": "int8", "skip_first_last": false, )" + fields + "}")
        .at(0);
  };
  EXPECT_EQ(reason(R"("bits": 8)"), "head.a: w8a8");
  EXPECT_EQ(reason(R"("ignore": ["head"])"), "head.a: float | ignore \"head\"");
  EXPECT_EQ(reason(R"("bits": 4)"), "head.a: w8a8 | convolutions have 8 bits per channel");
  EXPECT_EQ(reason(R"("quant_type": "int8_per_tensor_asym")"),
            "head.a: w8a8 | convolutions have 8 bits per channel");
  EXPECT_EQ(reason(R"("bits": 16)"),
            "head.a: float | 16 bits: convolutions have 8 or are kept in floating point");
  EXPECT_EQ(
      reason(R"("bits": 4, "overrides": [{"targets": ["head"], "bits": 16}])"),
      "head.a: float | overrides[0] \"head\"; 16 bits: convolutions have 8 or are kept in floating point");
  EXPECT_EQ(reason(R"("activation": "none")"),
            "head.a: float | activation none: convolutions compute with quantized activations");
  EXPECT_EQ(reason(R"("device": "cuda")"), "head.a: float | convolutions have kernels for the CPU only");
  EXPECT_EQ(reason(R"("activation": "static")"),
            "head.a: w8a8 | convolutions quantize their activations at run time");
  std::vector<SiteInfo> grouped = {convolution("a")};
  grouped[0].unsupported_reason = "4 groups";
  EXPECT_THAT(plan(grouped, R"({"convolutions": "int8", "skip_first_last": false})"),
              ElementsAre("a: float | 4 groups"));
}

TEST(Plan, EveryQuantType) {
  const std::pair<std::string, std::string> cases[] = {
      {"int8_per_tensor_sym", "a: w8a8 per_tensor"},
      {"int8_per_tensor_asym", "a: w8a8 asym per_tensor"},
      {"int8_per_channel_sym", "a: w8a8"},
      {"int8_per_channel_asym", "a: w8a8 asym"},
      {"int4_group", "a: w4a8-g128"},
      {"int16_per_tensor_sym", "a: w16a16 per_tensor | 16 bits compute with floating-point activations"},
      {"int16_per_channel_sym", "a: w16a16 | 16 bits compute with floating-point activations"},
      {"mixed_precision", "a: w4a8-g128 | mixed_precision: normal"},
  };
  for (const auto& [type, expected] : cases) {
    EXPECT_THAT(plan(named({"a"}), R"({"skip_first_last": false, "quant_type": ")" + type + "\"}"),
                ElementsAre(expected));
  }
}

TEST(Plan, ActivationsFollowTheConfigExceptWith16Bits) {
  const auto planned = [](const std::string& fields) {
    return plan_schemes(named({"a"}),
                        QuantizationConfig::from_json(R"({"skip_first_last": false)" + fields + "}"))[0];
  };
  EXPECT_EQ(planned("").activation, ActivationMode::kDynamic);
  EXPECT_FALSE(planned("").activation_symmetric);
  EXPECT_TRUE(planned(R"(, "activation_symmetric": true)").activation_symmetric);
  EXPECT_EQ(planned(R"(, "activation": "static")").activation, ActivationMode::kStatic);
  EXPECT_EQ(planned(R"(, "activation": "none", "activation_symmetric": true)").activation,
            ActivationMode::kNone);
  EXPECT_FALSE(planned(R"(, "activation": "none", "activation_symmetric": true)").activation_symmetric);
  const PlannedSite wide = planned(R"(, "bits": 16, "activation": "static", "activation_symmetric": true)");
  EXPECT_EQ(wide.activation, ActivationMode::kNone);
  EXPECT_FALSE(wide.activation_symmetric);
  EXPECT_EQ(wide.reason, "16 bits compute with floating-point activations");
  EXPECT_EQ(planned(R"(, "bits": 16, "activation": "none")").reason, "");
}

TEST(Plan, GroupsOfNoMultipleOf8RunOnTheReferenceKernelAndSaySo) {
  const auto reason = [](int64_t k, const std::string& fields) {
    return plan_schemes({site("a", 16, k)},
                        QuantizationConfig::from_json(R"({"skip_first_last": false, )" + fields + "}"))[0]
        .reason;
  };
  EXPECT_EQ(reason(256, R"("group_size": 64)"), "");
  EXPECT_EQ(reason(9, R"("group_size": 64)"), "");  // short last groups
  EXPECT_EQ(reason(96, R"("group_size": 64)"), "");
  EXPECT_EQ(reason(96, R"("bits": 4)"), "");
  EXPECT_EQ(reason(96, R"("group_size": 100)"), "");  // one group per row
  EXPECT_EQ(reason(300, R"("group_size": 100)"),
            "reference kernel: group_size 100 is not a multiple of 8 (--group-size 96 is)");
  EXPECT_EQ(reason(9, R"("group_size": -1)"), "");
  EXPECT_EQ(reason(9, R"("bits": 8)"), "");
  EXPECT_EQ(reason(12, R"("group_size": 4)"),
            "reference kernel: group_size 4 is not a multiple of 8 (--group-size 8 is)");
}

// The largest products are 255 * 128, 255 * 255 and 255 * 15: 65793, 33025 and 561433 of them fit int32.
TEST(Plan, SumsThatInt32CannotHoldStayFloat) {
  const auto planned = [](int64_t k, const std::string& fields) {
    return plan({site("a", 16, k)}, R"({"skip_first_last": false, )" + fields + "}")[0];
  };
  const std::string int4 = R"("quant_type": "int4_group", "group_size": )";
  EXPECT_EQ(planned(65793, R"("bits": 8)"), "a: w8a8");
  EXPECT_EQ(planned(65794, R"("bits": 8)"),
            "a: float | K = 65794 is too deep for int32 sums (at most 65793); use activation none");
  EXPECT_EQ(planned(33025, R"("symmetric": false)"), "a: w8a8 asym");
  EXPECT_EQ(planned(33026, R"("symmetric": false)"),
            "a: float | K = 33026 is too deep for int32 sums (at most 33025); use activation none");
  EXPECT_EQ(planned(561433, int4 + "-1"), "a: w4a8-row");
  EXPECT_EQ(planned(561434, int4 + "-1"),
            "a: float | K = 561434 is too deep for int32 sums (at most 561433); use activation none");
  EXPECT_EQ(planned(561440, int4 + "561440"),
            "a: float | K = 561440 is too deep for int32 sums (at most 561433); use activation none");
  EXPECT_EQ(planned(1122880, int4 + "561440"),
            "a: float | a group of 561440 is too deep for int32 sums (at most 561433); use activation none");
  EXPECT_EQ(planned(561472, int4 + "64"), "a: w4a8-g64");
  // Groups that are no multiple of 8 run on the reference kernel, whose sums are int64.
  EXPECT_EQ(
      planned(561445, int4 + "561441"),
      "a: w4a8-g561441 | reference kernel: group_size 561441 is not a multiple of 8 (--group-size 561440 is)");
  for (const char* fields : {R"("bits": 8)", R"("bits": 8, "symmetric": false)",
                             R"("quant_type": "int4_group", "group_size": -1)"}) {
    EXPECT_THAT(planned(600000, std::string(fields) + R"(, "activation": "none")"), Not(HasSubstr("float")));
  }
}

TEST(Plan, TiedSitesGetTheMostPreciseScheme) {
  std::vector<SiteInfo> sites = named({"a", "b", "c", "d"});
  sites[1].tied = sites[2].tied = 0;
  const std::string open =
      R"({"skip_first_last": false, "quant_type": "int4_group", "overrides": [{"targets": ["c"], )";
  EXPECT_THAT(plan(sites, open + R"("bits": 8}]})"),
              ElementsAre("a: w4a8-g128", "b: w8a8 | shares its weight with c (overrides[0] \"c\")",
                          "c: w8a8 | overrides[0] \"c\"", "d: w4a8-g128"));
  EXPECT_THAT(plan(sites, open + R"("group_size": 64}]})"),
              ElementsAre("a: w4a8-g128", "b: w4a8-g64 | shares its weight with c (overrides[0] \"c\")",
                          "c: w4a8-g64 | overrides[0] \"c\"", "d: w4a8-g128"));
  EXPECT_THAT(
      plan(sites, open + R"("group_size": -1}]})"),  // a whole row of 256
      ElementsAre("a: w4a8-g128", "b: w4a8-g128", "c: w4a8-g128 | shares its weight with b", "d: w4a8-g128"));
  EXPECT_THAT(plan(sites, open + R"("symmetric": false}]})"),
              ElementsAre("a: w4a8-g128", "b: w4a8-g128 asym | shares its weight with c (overrides[0] \"c\")",
                          "c: w4a8-g128 asym | overrides[0] \"c\"", "d: w4a8-g128"));
  EXPECT_THAT(
      plan(sites, R"({"skip_first_last": false, "ignore": ["b"]})"),
      ElementsAre("a: w8a8", "b: float | ignore \"b\"",
                  "c: float | shares its weight with b, which is kept in floating point (ignore \"b\")",
                  "d: w8a8"));
  sites[3].tied = 0;
  EXPECT_THAT(
      plan(sites, "{}"),
      ElementsAre(
          "a: float | skip_first_last: first layer",
          "b: float | shares its weight with d, which is kept in floating point (skip_first_last: last layer)",
          "c: float | shares its weight with d, which is kept in floating point (skip_first_last: last layer)",
          "d: float | skip_first_last: last layer"));
  sites = named({"a", "b"});
  sites[0].tied = sites[1].tied = 7;
  EXPECT_THAT(
      plan(sites, R"({"skip_first_last": false, "quant_type": "int8_per_tensor_sym",
                              "overrides": [{"targets": ["a"], "per_channel": true}]})"),
      ElementsAre("a: w8a8 | overrides[0] \"a\"", "b: w8a8 | shares its weight with a (overrides[0] \"a\")"));
}

TEST(Plan, PatternsThatMatchNothingNameTheNearest) {
  const std::pair<std::string, std::string> cases[] = {
      {R"({"ignore": ["atn"]})",
       "q.json: ignore: \"atn\" matches no layer; nearest: attn (in blocks.0.attn.qkv)"},
      {R"({"ignore": ["mlp", "qvk"]})",
       "q.json: ignore: \"qvk\" matches no layer; nearest: qkv (in blocks.0.attn.qkv)"},
      {R"({"ignore": ["blocks.2"]})",
       "q.json: ignore: \"blocks.2\" matches no layer; nearest: blocks.0, blocks"},
      {R"({"ignore": ["blocks.0.atn.qkv"]})",
       "q.json: ignore: \"blocks.0.atn.qkv\" matches no layer; nearest: blocks.0.attn.qkv, blocks.0.attn, "
       "blocks.0.attn.proj"},
      {R"({"overrides": [{"targets": ["fc1"], "bits": 8}, {"targets": ["fc2", "re:.*atn.*"], "bits": 4}]})",
       "q.json: overrides[1].targets: \"re:.*atn.*\" matches no layer; nearest: blocks.0.attn.qkv, "
       "blocks.0.attn.proj"},
      {R"({"ignore": ["re:blocks\\.2\\..*"]})",
       "q.json: ignore: \"re:blocks\\.2\\..*\" matches no layer; nearest: blocks.0.attn.qkv, "
       "blocks.0.attn.proj, "
       "blocks.0.mlp.fc1"},
      {R"({"quant_type": "mixed_precision", "sensitive_layers": ["attention", "header"]})",
       "q.json: sensitive_layers: \"header\" matches no layer; nearest: camera_head (in camera_head.fc)"},
  };
  for (const auto& [json, expected] : cases) EXPECT_EQ(plan_error(transformer(), json), expected);
  EXPECT_EQ(plan_error({}, R"({"ignore": ["fc"]})"),
            "q.json: ignore: \"fc\" matches no layer; the model has none");
}

TEST(Plan, DefaultPatternsMayMatchNothing) {
  const std::vector<SiteInfo> sites = named({"a", "b", "c"});
  EXPECT_EQ(plan_error(sites, R"({"quant_type": "mixed_precision"})"), "no error");
  EXPECT_EQ(
      plan_error(sites, R"({"quant_type": "mixed_precision", "sensitive_layers": ["attention", "head"]})"),
      "q.json: sensitive_layers: \"attention\" matches no layer; nearest: a (in a)");
  EXPECT_EQ(plan_error(sites, R"({"ignore": ["b"], "overrides": [{"targets": ["b"], "bits": 4}]})"),
            "no error");
}

TEST(Plan, PatternsFromAFlagNameTheFlag) {
  QuantizationConfig config = QuantizationConfig::preset("production");
  apply_flags(config, {{"ignore", {"atn"}}});
  try {
    plan_schemes(transformer(), config);
    FAIL();
  } catch (const UsageError& e) {
    EXPECT_STREQ(e.what(), "--ignore: \"atn\" matches no layer; nearest: attn (in blocks.0.attn.qkv)");
  }
}

TEST(Plan, AConfigMadeInCppIsValidatedFirst) {
  QuantizationConfig config;
  config.bits = 3;
  EXPECT_THROW(plan_schemes({site("a")}, config), UsageError);
}

// Sizes by hand from the layouts drawn in cpu/layout/packed_weight.h; every section starts at a multiple of 64
// bytes.
TEST(PredictedBytes, AreTheBytesOfThePackedTensor) {
  const Scheme int8 = {8, true, Granularity::kPerChannel, 0}, int16 = {16, true, Granularity::kPerChannel, 0};
  const Scheme g64 = {4, true, Granularity::kGroup, 64}, g64_asym = {4, false, Granularity::kGroup, 64};
  // 64 header + 3 * 4 * 64 (scale, zero, sum) + 64 * 256
  EXPECT_EQ(predicted_bytes(64, 256, int8), 64 + 768 + 16384);
  // n 5 -> 16, k 9 -> 12: 64 + 3 * 64 + 192 = 448, as 5 rows of 90
  EXPECT_EQ(predicted_bytes(5, 9, int8), 450);
  // 64 + 64 * 4 offsets + 4 panels x 4 groups x (16 * 4 + 64 * 16 / 2)
  EXPECT_EQ(predicted_bytes(64, 256, g64), 64 + 256 + 16 * 576);
  EXPECT_EQ(predicted_bytes(64, 256, g64_asym), 64 + 256 + 16 * 592);
  // 64 + 16 * 4 offsets + one group of 9, with room for 16: 16 * 4 + 16 * 16 / 2
  EXPECT_EQ(predicted_bytes(16, 9, g64), 64 + 64 + 192);
  // canonical: 64 + 64 (16 scales) + 64 (16 zeros) + ceil(9 / 2) * 16 nibbles
  EXPECT_EQ(predicted_bytes(16, 9, g64, "cuda"), 64 + 64 + 64 + 80);
  // canonical: 64 + 64 + 64 + 16 * 9 * 2
  EXPECT_EQ(predicted_bytes(16, 9, int16), 64 + 64 + 64 + 288);
  // cuda keeps the canonical bytes: 64 + 256 + 256 + 64 * 256
  EXPECT_EQ(predicted_bytes(64, 256, int8, "cuda"), 64 + 512 + 16384);
  EXPECT_EQ(predicted_bytes(0, 256, int8), 0);
}

}  // namespace
}  // namespace vqt
