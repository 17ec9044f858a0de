#include "eval/compare/best_configs.h"

#include <fmt/format.h>

#include <algorithm>

namespace vqt {

Json best_config(const EvalReport& report, const BestModel& best) {
  const auto model = std::find_if(report.models.begin(), report.models.end(),
                                  [&](const ModelResult& m) { return m.name == best.model; });
  if (model == report.models.end() || !model->config.is_object()) return {};
  Json config = {{"name", model->name}};
  for (const auto& [field, value] : model->config.items()) {
    if (field != "name") config[field] = value;
  }
  return config;
}

std::string best_config_path(const std::string& goal) { return fmt::format("best/{}.json", goal); }

}  // namespace vqt
