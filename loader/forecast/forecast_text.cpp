// A forecast as tables and as JSON.
#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "loader/cli/text_table.h"
#include "loader/cli/units.h"
#include "loader/forecast/forecast.h"

namespace vqt {
namespace {

using Cell = std::string (*)(const FrameCosts&);

std::string table(const Forecast& forecast, const std::string& heading, Cell cell, bool with_most) {
  std::vector<std::string> head = {heading, "weights"};
  for (const FrameCosts& c : forecast.models.at(0).costs)
    head.push_back(fmt::format("{} frame{}", c.frames, c.frames == 1 ? "" : "s"));
  if (with_most) head.push_back(fmt::format("in {}", cli::bytes_text(*forecast.max_memory)));
  std::vector<std::vector<std::string>> rows = {head};
  for (const ModelForecast& model : forecast.models) {
    if (!model.problem.empty()) continue;
    std::vector<std::string> row = {model.name, cli::bytes_text(model.weight_bytes)};
    for (const FrameCosts& c : model.costs) row.push_back(cell(c));
    if (with_most)
      row.push_back(fmt::format("{} frame{}", *model.most_frames, *model.most_frames == 1 ? "" : "s"));
    rows.push_back(row);
  }
  return cli::text_table(rows, {cli::kAnyWidth, 1});
}

}  // namespace

std::string forecast_text(const Forecast& forecast) {
  const bool bshw = forecast.layout == InputLayout::kBshw;
  std::string text = fmt::format(
      "forecast for float32 [{}, 3, {}, {}] and {} thread{}, from the graph and one forward pass of one frame\n",
      bshw ? "1, frames" : "frames", forecast.height, forecast.width, forecast.threads,
      forecast.threads == 1 ? "" : "s");
  text += table(
      forecast, "peak memory", [](const FrameCosts& c) { return cli::bytes_text(c.peak_bytes); },
      forecast.max_memory.has_value());
  if (!forecast.models.at(0).costs.empty())
    text += "\n" +
            table(
                forecast, "time", [](const FrameCosts& c) { return cli::duration_text(c.seconds); }, false);
  for (const ModelForecast& model : forecast.models) {
    if (!model.problem.empty()) text += fmt::format("{}: no forecast: {}\n", model.name, model.problem);
  }
  return text;
}

nlohmann::ordered_json forecast_json(const Forecast& forecast) {
  using nlohmann::ordered_json;
  const bool bshw = forecast.layout == InputLayout::kBshw;
  ordered_json models = ordered_json::array();
  for (const ModelForecast& model : forecast.models) {
    ordered_json costs = ordered_json::array();
    for (const FrameCosts& c : model.costs)
      costs.push_back({{"frames", c.frames}, {"peak_memory_bytes", c.peak_bytes}, {"seconds", c.seconds}});
    models.push_back(
        {{"name", model.name},
         {"problem", model.problem},
         {"weight_bytes", model.weight_bytes},
         {"costs", costs},
         {"most_frames", model.most_frames ? ordered_json(*model.most_frames) : ordered_json()}});
  }
  return {{"layout", bshw ? "bshw" : "bchw"},
          {"height", forecast.height},
          {"width", forecast.width},
          {"threads", forecast.threads},
          {"max_memory_bytes", forecast.max_memory ? ordered_json(*forecast.max_memory) : ordered_json()},
          {"models", models}};
}

}  // namespace vqt
