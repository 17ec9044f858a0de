#include "eval/search/progressive_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/compare/accuracy_limit.h"
#include "vqt/error.h"

namespace vqt {

void check_progressive(const RunSettings& o) {
  if (!o.progressive) {
    if (!o.limits.empty()) throw UsageError("--limit: only with --progressive");
    return;
  }
  if (o.limits.empty()) {
    throw UsageError(
        "--progressive: requires --limit, the accuracy to keep: --limit psnr=35 (dB, lowest of all outputs); "
        "with --ground-truth also --limit auc_30=-2 (points it may fall) or abs_rel=+5%");
  }
  const auto of_truth = std::find_if(o.limits.begin(), o.limits.end(),
                                     [](const Limit& limit) { return needs_truth(limit.metric); });
  if (o.ground_truth.empty() && of_truth != o.limits.end())
    throw UsageError(fmt::format("--limit: {}: needs --ground-truth", of_truth->text));
  if (o.candidates.size() != 1 || o.candidates[0].source == "model") {
    throw UsageError(
        "--progressive: expected one --config or --preset to start from (default: production) and no "
        "--model");
  }
  const QuantizationConfig& config = o.candidates[0].config;
  if (is_mixed(config) || resolve_scheme(config).bits != 8) {
    throw UsageError(fmt::format("--progressive: expected a config of 8 bits to start from, got {} of {}",
                                 is_mixed(config) ? "mixed_precision" : quant_type_of(resolve_scheme(config)),
                                 o.candidates[0].name));
  }
}

Candidate candidate_of(const Candidate& base, const Trial& trial, int64_t group_size) {
  Candidate c = base;
  c.source = "progressive";
  c.name = c.config.name = trial.name;
  c.config.source = "--progressive: " + trial.name;
  c.config.origins.clear();
  c.config.ignore.insert(c.config.ignore.end(), trial.keep_float.begin(), trial.keep_float.end());
  if (trial.int4.empty()) return c;
  Override int4;
  int4.targets = trial.int4;
  int4.bits = 4;
  int4.group_size = group_size;
  c.config.overrides.push_back(int4);
  return c;
}

std::vector<std::string> configs_of_steps(const RunSettings& settings) {
  std::vector<std::string> configs;
  for (const Trial& trial : {Trial{"", {}, {}}, Trial{"", {}, {"re:.*"}}})
    configs.push_back(
        candidate_of(settings.candidates.at(0), trial, settings.int4_group_size).config.to_json());
  return configs;
}

}  // namespace vqt
