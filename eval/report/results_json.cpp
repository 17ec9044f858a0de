// results.json: every number at full precision; what cannot be given is null.
#include "eval/report/results_json.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "eval/compare/best_configs.h"
#include "eval/compare/best_models.h"
#include "eval/compare/pareto.h"
#include "eval/compare/recommendation.h"
#include "eval/compare/truth_changes.h"
#include "eval/report/cloud_table.h"
#include "eval/report/ground_truth_table.h"
#include "eval/report/progressive_table.h"

namespace vqt {
namespace {

Json cost_json(const Cost& cost, int64_t reference_bytes) {
  Json j = {{"size_bytes", cost.size_bytes}};
  j["compression"] =
      cost.size_bytes > 0 ? Json(static_cast<double>(reference_bytes) / cost.size_bytes) : Json();
  j["ms_per_image"] = cost.ms_per_image;
  j["peak_memory_bytes"] = cost.peak_memory_bytes;
  j["timing"] = {{"scene_ms", cost.all_ms},
                 {"warmup_forwards", cost.warmup},
                 {"timed_forwards", cost.all_ms.size()},
                 {"used_by_others", cost.used_by_others}};
  return j;
}

Json metrics_json(const Metrics& m) {
  const auto value = [&](double v) { return m.count > 0 ? Json(v) : Json(); };
  return {{"mae", value(m.mae)},
          {"rmse", value(m.rmse)},
          {"psnr_db", m.psnr_db ? Json(*m.psnr_db) : Json()},
          {"cosine", value(m.cosine)},
          {"max_error", value(m.max_error)},
          {"p50", value(m.p50)},
          {"p90", value(m.p90)},
          {"p99", value(m.p99)},
          {"equal", m.equal},
          {"elements", m.count},
          {"nonfinite", m.nonfinite},
          {"nonfinite_in_reference", m.nonfinite_in_reference}};
}

Json cameras_json(const std::vector<CameraPose>& cameras) {
  Json all = Json::array();
  for (const CameraPose& camera : cameras) all.push_back(camera ? Json(*camera) : Json());
  return all;
}

// The numbers of the depth maps; the images are in report.html.
Json depth_json(const std::vector<DepthMap>& maps) {
  Json all = Json::array();
  for (const DepthMap& map : maps) {
    Json means = Json::object();
    for (const DepthMap::Model& m : map.models) means[m.name] = m.mean_difference;
    all.push_back({{"output", map.output},
                   {"picture", map.picture},
                   {"index", map.index},
                   {"scale", {{"low", map.scale.low}, {"high", map.scale.high}}},
                   {"difference_scale", map.scale.difference},
                   {"mean_difference", means}});
  }
  return all;
}

}  // namespace

std::string main_scheme(const ModelResult& model) {
  std::map<std::string, int64_t> bytes;
  if (model.sites.is_array()) {
    for (const Json& site : model.sites) {
      if (site.value("action", "") != "quantized" || site.value("kind", "") == "attention") continue;
      bytes[site.value("scheme", "?")] += site.value("bytes_before", int64_t{0});
    }
  }
  if (bytes.empty()) return "float32";
  std::vector<std::pair<std::string, int64_t>> order(bytes.begin(), bytes.end());
  std::stable_sort(order.begin(), order.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  std::string text = order[0].first;
  if (order.size() > 1) text += "+" + order[1].first;
  return order.size() > 2 ? text + "+.." : text;
}

Json results_json(const EvalReport& report) {
  Json j = {{"version", kResultsVersion}};
  if (report.interrupted) j["interrupted"] = true;
  j["environment"] = report.environment;
  j["run"] = report.run;
  j["scene"] = {{"folder", report.scene.folder},
                {"pictures", report.scene.names},
                {"height", report.scene.height},
                {"width", report.scene.width},
                {"preprocess", report.scene.preprocess},
                {"input_layout", report.scene.input_layout},
                {"frames_per_forward", report.scene.frames}};
  if (report.ground_truth) {
    j["ground_truth"] = {{"folder", report.ground_truth->folder},
                         {"layout", report.ground_truth->layout},
                         {"depth_source", report.ground_truth->depth_source},
                         {"pictures", report.ground_truth->pictures},
                         {"cameras", cameras_json(report.ground_truth->cameras)}};
  }
  const int64_t reference_bytes = report.reference.cost.size_bytes;
  Json outputs = Json::object();
  for (const OutputInfo& o : report.reference.outputs) {
    outputs[o.path] = {{"shape", o.shape}, {"min", o.low}, {"max", o.high}};
  }
  j["reference"] = {{"name", report.reference.name}, {"path", report.reference.path}};
  j["reference"].update(cost_json(report.reference.cost, reference_bytes));
  j["reference"]["outputs"] = outputs;
  if (!report.reference.cameras.empty()) j["reference"]["cameras"] = cameras_json(report.reference.cameras);
  if (report.reference.truth) j["reference"]["ground_truth"] = truth_json(*report.reference.truth);
  j["models"] = Json::array();
  const std::vector<bool> front = pareto_front(report);
  for (const ModelResult& m : report.models) {
    Json model = {{"name", m.name},
                  {"source", m.source},
                  {"path", m.path},
                  {"scheme", main_scheme(m)},
                  {"config", m.config}};
    model.update(cost_json(m.cost, reference_bytes));
    model["pareto_front"] = static_cast<bool>(front[j["models"].size()]);
    Json metrics = Json::object();
    for (const auto& [path, values] : m.outputs) metrics[path] = metrics_json(values);
    model["outputs"] = metrics;
    if (!m.cameras.empty()) model["cameras"] = cameras_json(m.cameras);
    if (m.truth) model["ground_truth"] = truth_json(*m.truth);
    if (m.sites_quantized) model["sites_quantized"] = *m.sites_quantized;
    if (m.sites_reused) model["sites_reused"] = *m.sites_reused;
    model["notes"] = m.notes;
    model["sites"] = m.sites;
    j["models"].push_back(model);
  }
  if (!report.depth_maps.empty()) j["depth_maps"] = depth_json(report.depth_maps);
  if (report.cloud) j["cloud"] = cloud_json(*report.cloud);
  if (report.progressive) j["progressive"] = progressive_json(report);
  std::map<std::string, std::string> configs;
  for (const auto& [goal, unused] : best_configs(report)) configs[goal] = best_config_path(goal);
  if (const auto taken = recommendation(report)) {
    j["recommendation"] = {{"model", taken->model.empty() ? Json() : Json(taken->model)},
                           {"why", taken->why}};
    if (configs.count(kRecommended)) j["recommendation"]["config"] = configs[kRecommended];
  }
  j["winners"] = Json::array();
  for (const BestModel& w : best_models(report)) {
    j["winners"].push_back({{"goal", w.goal}, {"model", w.model}, {"why", w.why}});
    if (configs.count(w.goal)) j["winners"].back()["config"] = configs[w.goal];
  }
  if (report.ground_truth) {
    j["ground_truth_changes"] = Json::array();
    for (const TruthChange& c : truth_changes(report))
      j["ground_truth_changes"].push_back(
          {{"goal", c.goal}, {"better", c.better}, {"worse", c.worse}, {"why", c.why}});
  }
  j["notes"] = report.notes;
  return j;
}

}  // namespace vqt
