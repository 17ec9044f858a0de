// report.txt and the table on stdout: the headline first, then every output, the layers, the environment.
#include "eval/report/report_text.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "eval/compare/best_configs.h"
#include "eval/compare/best_models.h"
#include "eval/compare/pareto.h"
#include "eval/report/cloud_table.h"
#include "eval/report/ground_truth_table.h"
#include "eval/report/headline.h"
#include "eval/report/progressive_table.h"
#include "eval/report/results_json.h"
#include "loader/cli/text_table.h"
#include "loader/cli/units.h"

namespace vqt {
namespace {
using Rows = std::vector<std::vector<std::string>>;

std::string ratio(double of, double to) { return to > 0 ? fmt::format("{:.2f}x", of / to) : "-"; }

std::string psnr(const Metrics& m) {
  if (m.psnr_db) return fmt::format("{:.1f}", *m.psnr_db);
  return m.equal ? "inf" : "-";
}

// Many nines matter: 0.99996, not 1.0000.
std::string cosine(const Metrics& m) {
  return m.count == 0 ? "-" : m.equal ? "1" : fmt::format("{:.6f}", m.cosine);
}

std::string small(double value, const Metrics& m) { return m.count > 0 ? fmt::format("{:.2e}", value) : "-"; }

Rows comparison(const EvalReport& r) {
  const std::vector<bool> front = pareto_front(r);
  Rows rows = {
      {"model", "", "scheme", "MB", "smaller", "ms/image", "faster", "peak MB", "lowest PSNR", "cosine"}};
  const Cost& ref = r.reference.cost;
  rows.push_back({r.reference.name, "", "reference", cli::megabytes(ref.size_bytes), "",
                  cli::milliseconds(ref.ms_per_image), "", cli::megabytes(ref.peak_memory_bytes), "", ""});
  for (const ModelResult& m : r.models) {
    const auto* bad = worst_output(m);
    double low = 1;
    for (const auto& [path, metrics] : m.outputs) low = std::min(low, metrics.cosine);
    const bool all_equal =
        std::all_of(m.outputs.begin(), m.outputs.end(), [](const auto& o) { return o.second.equal; });
    rows.push_back({m.name, front[rows.size() - 2] && r.models.size() > 1 ? "*" : "",
                    cli::shortened(main_scheme(m), 16), cli::megabytes(m.cost.size_bytes),
                    ratio(static_cast<double>(ref.size_bytes), static_cast<double>(m.cost.size_bytes)),
                    cli::milliseconds(m.cost.ms_per_image), ratio(ref.ms_per_image, m.cost.ms_per_image),
                    cli::megabytes(m.cost.peak_memory_bytes),
                    bad         ? psnr(bad->second)
                    : all_equal ? "inf"
                                : "-",
                    all_equal ? "1" : fmt::format("{:.5f}", low)});
  }
  return rows;
}

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

// What the stars mean, and where the best models' configs are.
std::string front_text(const EvalReport& r) {
  if (r.models.size() < 2) return "";
  std::string text =
      "*: on the Pareto front: no other model is at least as small, fast and accurate (lowest PSNR) and\n"
      "   better in one; sizes within 1 % and times within 3 % count as equal\n";
  std::vector<std::string> paths;
  for (const auto& [goal, unused] : best_configs(r)) paths.push_back(best_config_path(goal));
  if (!paths.empty())
    text += fmt::format("configs of the best models, for --config, beside the report: {}\n",
                        fmt::join(paths, ", "));
  return text;
}

// PSNR in dB: a row per output and a column per model, or the other way round where models are many or have
// similar names; in blocks that fit the width.
std::string psnr_matrix(const EvalReport& r) {
  constexpr size_t kColumns = 5, kHeading = 14;
  std::vector<std::string> outputs, models;
  for (const OutputInfo& o : r.reference.outputs) outputs.push_back(o.path);
  for (const ModelResult& m : r.models) models.push_back(m.name);
  std::set<std::string> headings;
  for (const std::string& name : models) headings.insert(cli::shortened(name, kHeading));
  const bool model_rows = models.size() > kColumns || headings.size() < models.size();
  const std::vector<std::string>& across = model_rows ? outputs : models;
  const std::vector<std::string>& down = model_rows ? models : outputs;
  std::string text;
  for (size_t first = 0; first < across.size(); first += kColumns) {
    const size_t last = std::min(first + kColumns, across.size());
    Rows rows = {{"PSNR in dB"}};
    for (size_t c = first; c < last; ++c) rows[0].push_back(cli::shortened(across[c], kHeading));
    for (size_t i = 0; i < down.size(); ++i) {
      rows.push_back({down[i]});
      for (size_t c = first; c < last; ++c)
        rows.back().push_back(psnr(r.models[model_rows ? i : c].outputs[model_rows ? c : i].second));
    }
    text += (first > 0 ? "\n" : "") + cli::text_table(rows);
  }
  return text;
}

std::vector<std::string> all_notes(const EvalReport& r) {
  std::vector<std::string> notes = r.notes;
  for (const ModelResult& m : r.models) {
    for (const std::string& note : m.notes) notes.push_back(m.name + ": " + note);
  }
  return notes;
}

std::string heading(const std::string& title) {
  return fmt::format("\n{}\n{}\n", title, std::string(std::min<size_t>(100, title.size()), '-'));
}

std::string layers_text(const ModelResult& m) {
  if (!m.sites.is_array()) return "no layer table in the model\n";
  std::map<std::string, int> kept;
  std::vector<std::pair<double, const Json*>> by_sqnr;
  std::map<std::string, std::pair<int, int>> kinds = {{"linear", {}}};  // quantized, all
  for (const Json& site : m.sites) {
    auto& [quantized, all] = kinds[site.value("kind", "linear")];
    ++all;
    if (site.value("action", "") == "quantized") {
      ++quantized;
      if (site.contains("weight_sqnr_db") && site["weight_sqnr_db"].is_number()) {
        by_sqnr.emplace_back(site["weight_sqnr_db"].get<double>(), &site);
      }
    } else {
      ++kept[site.value("reason", "")];
    }
  }
  std::string text = fmt::format("{} of {} sites quantized, {}\n", kinds["linear"].first,
                                 kinds["linear"].second, main_scheme(m));
  for (const auto& [kind, count] : kinds) {
    if (kind != "linear")
      text += fmt::format("{} of {} {} sites quantized\n", count.first, count.second, kind);
  }
  for (const auto& [reason, count] : kept) text += fmt::format("{} kept in FP32: {}\n", count, reason);
  std::stable_sort(by_sqnr.begin(), by_sqnr.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  if (by_sqnr.empty()) return text;
  Rows rows = {{"lowest weight SQNR", "scheme", "dB"}};
  for (size_t i = 0; i < std::min<size_t>(5, by_sqnr.size()); ++i) {
    rows.push_back({by_sqnr[i].second->value("name", "?"), by_sqnr[i].second->value("scheme", "?"),
                    fmt::format("{:.1f}", by_sqnr[i].first)});
  }
  return text + cli::text_table(rows);
}

}  // namespace

std::string summary_text(const EvalReport& r) {
  const Scene& s = r.scene;
  std::string text = r.interrupted ? r.notes.at(0) + "\n\n" : "";
  if (const std::string lines = headline(r); !lines.empty()) text += lines + "\n";
  text += fmt::format("{} image{} of {}, {} x {} ({}), against {}\n\n", s.names.size(),
                      s.names.size() == 1 ? "" : "s", s.folder, s.width, s.height, s.preprocess,
                      r.reference.path);
  text += cli::text_table(comparison(r)) + front_text(r) + "\n" + psnr_matrix(r);
  if (r.progressive) text += "\n" + progressive_text(r);
  if (const std::string truth = truth_summary(r); !truth.empty()) text += "\n" + truth;
  for (const std::string& note : all_notes(r)) text += "note: " + note + "\n";
  return cli::wrapped(text);
}

std::string report_text(const EvalReport& r) {
  std::string text = "vqt-eval report\n\n" + summary_text(r);
  text += R"(
MB: model file, 10^6 bytes. smaller, faster: against the reference. peak MB: of the process that ran
the model. lowest PSNR: of all outputs, peak = range of the reference output; inf: equal outputs,
-: constant reference.
)";
  if (r.ground_truth) text += heading("ground truth") + truth_details(r);
  if (r.cloud) text += heading("point cloud") + cloud_details(*r.cloud);
  for (const OutputInfo& o : r.reference.outputs) {
    text += heading(
        fmt::format("{} {}, reference from {:.4g} to {:.4g}", o.path, shape_text(o.shape), o.low, o.high));
    Rows rows = {{"model", "PSNR", "cosine", "MAE", "RMSE", "p50", "p90", "p99", "max error"}};
    for (const ModelResult& m : r.models) {
      for (const auto& [path, v] : m.outputs) {
        if (path != o.path) continue;
        rows.push_back({m.name, psnr(v), cosine(v), small(v.mae, v), small(v.rmse, v), small(v.p50, v),
                        small(v.p90, v), small(v.p99, v), small(v.max_error, v)});
      }
    }
    text += cli::text_table(rows);
  }
  for (const ModelResult& m : r.models) {
    text += heading(fmt::format("{}: {} {}", m.name, m.source, m.source == "preset" ? "" : m.path)) +
            layers_text(m);
    text += fmt::format(
        "timed: median of {} forward pass{} over the scene after {} for warm-up; other processes "
        "used {:.0f} % of the CPUs\n",
        m.cost.all_ms.size(), m.cost.all_ms.size() == 1 ? "" : "es", m.cost.warmup,
        100 * m.cost.used_by_others);
  }
  text += heading("environment");
  for (const auto& [key, value] : r.environment.items()) {
    const std::string shown = value.is_null()     ? "-"
                              : value.is_string() ? value.get<std::string>()
                                                  : value.dump();
    text += fmt::format("{:<13} {}\n", key, shown);
  }
  return cli::wrapped(text);
}

}  // namespace vqt
