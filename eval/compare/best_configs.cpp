#include "eval/compare/best_configs.h"

#include <fmt/format.h>

#include <algorithm>

#include "eval/compare/best_models.h"
#include "eval/compare/recommendation.h"

namespace vqt {
namespace {

// Null for a model that was not quantized.
Json config_of(const EvalReport& report, const std::string& name) {
  const auto model = std::find_if(report.models.begin(), report.models.end(),
                                  [&](const ModelResult& m) { return m.name == name; });
  if (model == report.models.end() || !model->config.is_object()) return {};
  Json config = {{"name", model->name}};
  for (const auto& [field, value] : model->config.items()) {
    if (field != "name") config[field] = value;
  }
  return config;
}

}  // namespace

std::string best_config_path(const std::string& goal) { return fmt::format("best/{}.json", goal); }

std::vector<std::pair<std::string, Json>> best_configs(const EvalReport& report) {
  std::vector<std::pair<std::string, Json>> configs;
  const auto add = [&](const std::string& goal, const std::string& model) {
    if (Json config = config_of(report, model); !config.is_null())
      configs.emplace_back(goal, std::move(config));
  };
  if (report.models.size() > 1) {  // one that was given needs no copy
    if (const auto taken = recommendation(report)) add(kRecommended, taken->model);
  }
  for (const BestModel& best : best_models(report)) add(best.goal, best.model);
  return configs;
}

}  // namespace vqt
