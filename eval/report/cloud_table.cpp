#include "eval/report/cloud_table.h"

#include <fmt/format.h>

#include "loader/cli/text_table.h"

namespace vqt {

using Json = nlohmann::ordered_json;

Json cloud_json(const CloudFigure& cloud) {
  const auto file = [](const CloudFigure::Cloud& c) { return Json{{"file", c.file}, {"points", c.count}}; };
  Json j = {{"output", cloud.output}, {"confidence", nullptr}};
  if (!cloud.confidence.empty()) {
    j["confidence"] = {
        {"output", cloud.confidence}, {"percent", cloud.percent}, {"threshold", cloud.threshold}};
  }
  j["pictures"] = cloud.pictures;
  j["scene_size"] = cloud.size;
  j["distance_scale"] = cloud.scale;
  j["reference"] = file(cloud.reference);
  j["models"] = Json::object();
  for (const CloudFigure::Cloud& c : cloud.models) {
    Json model = file(c);
    model["mean_distance"] = c.mean_distance;
    model["median_distance"] = c.median_distance;
    j["models"][c.name] = model;
  }
  return j;
}

std::string cloud_details(const CloudFigure& cloud) {
  std::string text = fmt::format("{} of {} image{}, the same pixels for every model", cloud.output,
                                 cloud.pictures, cloud.pictures == 1 ? "" : "s");
  if (!cloud.confidence.empty()) {
    text += fmt::format(": the float model's most confident {:.3g} %, {} from {:.4g}", 100 - cloud.percent,
                        cloud.confidence, cloud.threshold);
  }
  const auto percent = [&](double distance) {
    return cloud.size > 0 ? fmt::format("{:.3g}", 100 * distance / cloud.size) : "-";
  };
  std::vector<std::vector<std::string>> rows = {
      {"file", "points", "mean %", "median %"},
      {cloud.reference.file, std::to_string(cloud.reference.count)}};
  for (const CloudFigure::Cloud& c : cloud.models)
    rows.push_back({c.file, std::to_string(c.count), percent(c.mean_distance), percent(c.median_distance)});
  return text + "\n\n" + cli::text_table(rows) +
         "\n%: distance between the points of a pixel by the float and by this model, lower is better, in\n"
         "percent of the float points' mean distance from the first camera.\n";
}

}  // namespace vqt
