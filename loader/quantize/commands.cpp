// --list, --dry-run and --repack.
#include "loader/quantize/commands.h"

#include <fmt/format.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <set>

#include "loader/cli/units.h"
#include "loader/forecast/forecast.h"
#include "loader/quantize/layer_table.h"
#include "vqt/archive.h"
#include "vqt/atomic_file.h"
#include "vqt/report_json.h"

namespace vqt::cli {
namespace {

LoadOptions structure_only(ProgressBar& progress) {
  return {/*structure_only=*/true,
          [&](const std::string& s, int64_t done, int64_t total) { progress.stage(s, done, total); }};
}

// A JSON array, one layer per line.
std::string json_lines(const std::vector<SiteReport>& sites) {
  std::string out;
  for (const SiteReport& site : sites) out += (out.empty() ? "[\n " : ",\n ") + site_to_json(site).dump();
  return out.empty() ? "[]\n" : out + "\n]\n";
}

}  // namespace

int64_t saved_bytes(const torch::jit::Module& model, const std::vector<SiteReport>& rows) {
  std::map<std::string, int64_t> tied;
  for (const SiteInfo& site : vqt::list_sites(model)) tied[site.name] = site.tied;
  std::set<int64_t> seen;
  int64_t saved = 0;
  for (const SiteReport& row : rows) {
    const auto found = tied.find(row.name);
    const int64_t group = row.kind != "linear" || found == tied.end() ? -1 : found->second;
    if (group >= 0 && !seen.insert(group).second) continue;
    saved += row.bytes_before - row.bytes_after;
  }
  return saved;
}

void forecast_frames(const Options& options, ProgressBar& progress) {
  const QuantizationConfig config = config_from(options);
  check_options(options, config);
  const auto report_progress = [&](const std::string& s, int64_t done, int64_t total) {
    progress.stage(s, done, total);
  };
  Archive archive = load_archive(options.in, {false, report_progress});
  ForecastRequest request;
  request.name = std::filesystem::path(options.in).stem().string();
  request.frames = options.frames;
  request.height = options.size.height;
  request.width = options.size.width;
  request.max_memory = options.max_memory;
  if (is_quantized(archive.module)) {
    if (options.has_config())
      progress.warn(options.in + " is already quantized; the config flags change nothing");
  } else if (options.has_config()) {
    request.configs.emplace_back(config.display_name(), config);
  } else {
    for (const std::string& name : preset_names())
      request.configs.emplace_back(name, QuantizationConfig::preset(name));
  }
  const Forecast result = forecast(archive.module, request, report_progress);
  progress.finish();
  fmt::print("{}", options.json ? forecast_json(result).dump(1) + "\n" : forecast_text(result));
}

void list_layers(const Options& options, ProgressBar& progress) {
  if (options.has_forecast()) return forecast_frames(options, progress);
  const QuantizationConfig config = config_from(options);
  check_options(options, config);
  std::vector<SiteReport> sites;
  bool planned = options.has_config();
  if (const auto report = check_archive(options.in, {/*structure_only=*/true, {}})) {
    sites = report->sites;  // with the reasons
    if (planned) progress.warn(options.in + " is already quantized; the config flags change nothing");
    planned = false;
  } else {
    const Archive archive = load_archive(options.in, structure_only(progress));
    sites = describe_sites(archive.module, planned ? &config : nullptr);
    if (is_quantized(archive.module)) progress.warn(options.in + ": " + kWithoutTable);
  }
  progress.finish();
  fmt::print("{}", options.json ? json_lines(sites) : layer_lines(sites, planned));
}

void dry_run(const Options& options, ProgressBar& progress) {
  const QuantizationConfig config = config_from(options);
  check_options(options, config);
  const Archive archive = load_archive(options.in, structure_only(progress));
  if (is_quantized(archive.module)) {
    throw Error(fmt::format("{}: is already quantized; expected the float model", options.in));
  }
  const std::vector<SiteReport> sites = describe_sites(archive.module, &config);
  const int64_t after = archive.file_bytes - saved_bytes(archive.module, sites);
  progress.finish();
  fmt::print("{}{}", layer_lines(sites, true), summary(sites));
  fmt::print("file: {} -> about {} ({}; {} -> {} bytes)\n{}nothing was written\n",
             bytes_text(archive.file_bytes), bytes_text(after), ratio_text(archive.file_bytes, after),
             archive.file_bytes, after, weights_line(sites));
}

void repack(const Options& options, ProgressBar& progress) {
  check_options(options, QuantizationConfig{});
  try_output(options.out);
  const auto report_progress = [&](const std::string& s, int64_t done, int64_t total) {
    progress.stage(s, done, total);
  };
  Archive archive = load_archive(options.in, {false, report_progress});
  if (!is_quantized(archive.module)) {
    throw Error(fmt::format("{}: is not quantized; expected a file that vqt-quantize wrote", options.in));
  }
  try_output(options.out, static_cast<uint64_t>(archive.file_bytes));
  Report report = archive.report.value_or(Report{});
  const int64_t changed = vqt::repack(archive.module, report);
  progress.stage("writing " + options.out, 0, 1);
  save_archive(archive.module, archive.extra, report, options.out);
  progress.finish();
  fmt::print("{} of {} weights repacked\n{}\n", changed, totals(report.sites).quantized_weights, options.out);
}

}  // namespace vqt::cli
