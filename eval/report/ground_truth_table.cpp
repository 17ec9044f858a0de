#include "eval/report/ground_truth_table.h"

#include <fmt/format.h>

#include <cmath>

#include "loader/cli/text_table.h"

namespace vqt {
namespace {
using Rows = std::vector<std::vector<std::string>>;

std::string number(const std::optional<double>& value, int digits, bool sign = false) {
  if (!value) return "-";
  return sign ? fmt::format("{:+.{}f}", *value, digits) : fmt::format("{:.{}f}", *value, digits);
}

std::string range(const std::optional<Interval>& i, int digits, bool sign = false) {
  if (!i) return "-";
  return number(i->low, digits, sign) + " to " + number(i->high, digits, sign);
}

Json interval_json(const std::optional<Interval>& i) { return i ? Json{i->low, i->high} : Json(); }
Json value_json(const std::optional<double>& v) { return v && std::isfinite(*v) ? Json(*v) : Json(); }

}  // namespace

Json truth_json(const TruthScores& scores) {
  Json values = Json::object(), intervals, differences, difference_intervals, significant;
  for (size_t m = 0; m < kTruthMetrics.size(); ++m) {
    const TruthMetric& metric = kTruthMetrics[m];
    const TruthScore& s = scores.metrics[m];
    values[metric.group][metric.key] = value_json(s.value);
    intervals[metric.group][metric.key] = interval_json(s.interval);
    differences[metric.group][metric.key] = value_json(s.difference);
    difference_intervals[metric.group][metric.key] = interval_json(s.difference_interval);
    significant[metric.group][metric.key] = s.difference ? Json(s.significant) : Json();
  }
  values["pose"]["pairs"] = scores.pairs;
  values["depth"]["pixels"] = scores.depth_pixels;
  values["depth"]["nonfinite"] = scores.nonfinite;
  values["depth"]["scale"] = value_json(scores.depth_scale);
  values["points"]["points"] = scores.points;
  values["interval_95"] = intervals;
  values["difference"] = differences;
  values["difference_interval_95"] = difference_intervals;
  values["significant"] = significant;
  values["pictures"] = scores.pictures;
  return values;
}

std::string truth_summary(const EvalReport& r) {
  if (!r.ground_truth || !r.reference.truth) return {};
  Rows rows = {{"ground truth", "AUC@3", "@5", "@15", "@30", "rot", "transl", "AbsRel", "RMSE", "<1.25",
                "acc", "comp"}};
  const auto add = [&](const std::string& name, const TruthScores& scores) {
    rows.push_back({cli::shortened(name, 20)});
    for (size_t m = 0; m + 1 < kTruthMetrics.size(); ++m)
      rows.back().push_back(
          number(scores.metrics[m].value, std::min(kTruthMetrics[m].digits, m < 4 ? 1 : 3)));
  };
  add(r.reference.name, *r.reference.truth);
  for (const ModelResult& m : r.models) {
    if (m.truth) add(m.name, *m.truth);
  }
  return cli::text_table(rows);
}

std::string truth_details(const EvalReport& r) {
  if (!r.ground_truth || !r.reference.truth) return {};
  const TruthScores& reference = *r.reference.truth;
  std::string text =
      fmt::format("{} ({}), {} of {} images with a known pose, {} pairs\n", r.ground_truth->folder,
                  r.ground_truth->layout, r.ground_truth->pictures, r.scene.names.size(), reference.pairs);
  text += r.ground_truth->depth_source.empty()
              ? "no depth\n"
              : fmt::format("depth of {} pixels from {}\n", reference.depth_pixels + reference.nonfinite,
                            r.ground_truth->depth_source);
  const auto table = [&](const std::string& name, const TruthScores& scores, bool differences) {
    Rows rows = {{cli::shortened(name, 30), "unit", "better", "value", "95 %"}};
    if (differences) rows[0].insert(rows[0].end(), {"difference", "95 %", ""});
    for (size_t m = 0; m < kTruthMetrics.size(); ++m) {
      const TruthMetric& metric = kTruthMetrics[m];
      const TruthScore& s = scores.metrics[m];
      rows.push_back({fmt::format("{} {}", metric.group, metric.title),
                      std::string(metric.unit) == "scene units" ? "scene" : metric.unit,
                      metric.more_is_better ? "higher" : "lower", number(s.value, metric.digits),
                      range(s.interval, metric.digits)});
      if (!differences) continue;
      rows.back().push_back(number(s.difference, metric.digits, true));
      rows.back().push_back(range(s.difference_interval, metric.digits, true));
      rows.back().push_back(s.significant ? "significant" : "");
    }
    text += "\n" + cli::text_table(rows);
    if (scores.nonfinite > 0)
      text += fmt::format("{} pixels of known depth are predicted as NaN or Inf\n", scores.nonfinite);
  };
  table(r.reference.name, reference, false);
  for (const ModelResult& m : r.models) {
    if (m.truth) table(m.name, *m.truth, true);
  }
  return text + R"(
AUC@T: pose accuracy of pairs of images up to T degrees, in percent. rot, transl: median angle
between true and predicted rotation, and direction of translation, in degrees. Depth after one scale
for the scene (ratio of medians). acc, comp: mean distance from predicted to true points and back,
after Umeyama's alignment. 95 %: intervals of 1000 resamples of the images. significant: the interval
of the difference excludes 0, it rests on 6 images or more, and it is at least 1 % of the float
model's value.
)";
}

}  // namespace vqt
