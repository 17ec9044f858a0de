#include "eval/report/progressive_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/compare/accuracy_limit.h"
#include "loader/cli/text_table.h"
#include "loader/cli/units.h"

namespace vqt {
namespace {

Json number(double value) { return std::isfinite(value) ? Json(value) : Json(); }

std::string smaller(const EvalReport& r, const ProgressiveStep& step) {
  return fmt::format("{:.2f}x", static_cast<double>(r.reference.cost.size_bytes) / step.size_bytes);
}

const ProgressiveStep* last_accepted(const Progressive& p) {
  const auto step = std::find_if(p.steps.begin(), p.steps.end(),
                                 [&](const ProgressiveStep& s) { return s.model == p.last.name; });
  return step == p.steps.end() ? nullptr : &*step;
}

}  // namespace

Json progressive_json(const EvalReport& r) {
  const Progressive& p = *r.progressive;
  Json j = {{"limits", Json::array()}, {"parts", Json::array()}, {"steps", Json::array()}};
  for (size_t i = 0; i < p.limits.size(); ++i) {
    j["limits"].push_back({{"limit", p.limits[i].text},
                           {"metric", p.limits[i].metric},
                           {"more_is_better", more_is_better(p.limits[i].metric)},
                           {"bound", p.bounds[i]},
                           {"reference", number(p.references[i])},
                           {"text", describe(p.limits[i], r.reference)}});
  }
  for (const ModuleGroup& group : p.groups)
    j["parts"].push_back({{"name", group.name}, {"bytes_before", group.bytes}, {"sites", group.layers}});
  for (const ProgressiveStep& step : p.steps) {
    Json values = Json::object();
    for (size_t i = 0; i < p.limits.size(); ++i) values[p.limits[i].metric] = number(step.values[i]);
    j["steps"].push_back({{"model", step.model},
                          {"part", step.group.empty() ? Json() : Json(step.group)},
                          {"bits", step.bits},
                          {"alone", step.alone},
                          {"size_bytes", step.size_bytes},
                          {"psnr_db", number(step.psnr_db)},
                          {"values", values},
                          {"held", step.held},
                          {"taken", step.taken}});
  }
  j["model"] = p.last.name.empty() ? Json() : Json(p.last.name);
  j["file"] = p.config.is_null() ? Json() : Json(kProgressiveConfig);
  j["config"] = p.config;
  return j;
}

std::string progressive_outcome(const EvalReport& r) {
  const Progressive& p = *r.progressive;
  const ProgressiveStep* step = last_accepted(p);
  if (!step) return "no step holds the limits: the float model is not quantized";
  std::string text =
      fmt::format("{} MB, {} smaller than the float model, lowest PSNR {}", cli::megabytes(step->size_bytes),
                  smaller(r, *step), value_text("psnr", step->psnr_db));
  for (size_t i = 0; i < p.limits.size(); ++i) {
    if (needs_truth(p.limits[i].metric))
      text += fmt::format(", {} {}", title_of(p.limits[i].metric),
                          value_text(p.limits[i].metric, step->values[i]));
  }
  return text;
}

std::string progressive_text(const EvalReport& r) {
  if (!r.progressive) return {};
  const Progressive& p = *r.progressive;
  std::string text = "progressive: int8 first, then int4, while";
  for (size_t i = 0; i < p.limits.size(); ++i)
    text += (i == 0 ? " " : " and ") + describe(p.limits[i], r.reference);
  std::vector<std::vector<std::string>> rows = {{"step", "MB", "smaller", "lowest PSNR"}};
  for (const Limit& limit : p.limits) {
    if (needs_truth(limit.metric)) rows[0].push_back(title_of(limit.metric));
  }
  rows[0].insert(rows[0].end(), {"holds", "accepted"});
  for (const ProgressiveStep& step : p.steps) {
    rows.push_back(
        {step.model, cli::megabytes(step.size_bytes), smaller(r, step), value_text("psnr", step.psnr_db)});
    for (size_t i = 0; i < p.limits.size(); ++i) {
      const std::string& metric = p.limits[i].metric;
      if (needs_truth(metric)) rows.back().push_back(value_text(metric, step.values[i]));
    }
    rows.back().insert(rows.back().end(), {step.held ? "yes" : "no", step.taken ? "yes" : ""});
  }
  text += "\n" + cli::text_table(rows) +
          "int4 GROUP: the module group alone; +int4 GROUP: on top of what was accepted before\n";
  if (p.last.name.empty()) return text + progressive_outcome(r) + "\n";
  return text + fmt::format("{}: {}; config for vqt-quantize: {}\n", p.last.name, progressive_outcome(r),
                            kProgressiveConfig);
}

}  // namespace vqt
