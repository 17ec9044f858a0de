#include "eval/report/write_report.h"

#include <fmt/format.h>

#include <filesystem>

#include "eval/compare/best_configs.h"
#include "eval/compare/best_models.h"
#include "eval/drawing/colmap_model.h"
#include "eval/drawing/glb_file.h"
#include "eval/drawing/point_cloud.h"
#include "eval/report/progressive_table.h"
#include "eval/report/report_html.h"
#include "eval/report/report_text.h"
#include "eval/report/results_json.h"
#include "loader/cli/file_name.h"
#include "vqt/atomic_file.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

void write(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.append(content);
  file.commit();
}

// Removes those that an earlier run left for other goals.
void write_best_configs(const EvalReport& report, const fs::path& folder) {
  fs::remove(folder / best_config_path(kRecommended));
  for (const char* goal : kGoals) fs::remove(folder / best_config_path(goal));
  for (const auto& [goal, config] : best_configs(report)) {
    const fs::path path = folder / best_config_path(goal);
    fs::create_directories(path.parent_path());
    write(path, config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  }
}

// NAME.ply, NAME.glb and NAME/sparse/0/, the place where COLMAP's users expect its files.
void write_cloud(const CloudFigure& figure, const CloudFigure::Cloud& cloud,
                 const std::filesystem::path& folder) {
  std::filesystem::path path = folder / cloud.file;
  write(path, ply_file(cloud.points, figure.colours));
  write(path.replace_extension(".glb"), glb_file(figure, cloud));
  if (cloud.cameras.empty()) return;
  const std::filesystem::path colmap = path.replace_extension() / "sparse/0";
  std::filesystem::create_directories(colmap);
  for (const auto& [name, content] : colmap_model(figure, cloud)) write(colmap / name, content);
}

}  // namespace

void try_report(const std::string& output_dir) {
  const fs::path folder = output_dir;
  for (const char* file : {"results.json", "report.txt", "report.html", kProgressiveConfig})
    try_output(folder / file);
  for (const char* name : {"best", "depth", "scene"}) {
    if (fs::exists(folder / name)) try_output(folder / name / "file");  // else it will be made
  }
}

std::string write_report(const EvalReport& report, const std::string& output_dir) {
  const fs::path folder = output_dir;
  if (!report.depth_maps.empty()) fs::create_directories(folder / "depth");
  for (const DepthMap& map : report.depth_maps) {
    for (const DepthMap::Model& m : map.models) {
      const std::string stem = cli::sanitize_filename(fs::path(map.picture).stem().string());
      write(folder / "depth" /
                fmt::format("{}_{:03}_{}.png", cli::sanitize_filename(m.name), map.index + 1, stem),
            m.png);
    }
  }
  write_best_configs(report, folder);
  fs::remove(folder / kProgressiveConfig);  // of an earlier run
  if (report.progressive && !report.progressive->config.is_null())
    write(folder / kProgressiveConfig,
          report.progressive->config.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
  if (report.cloud) {
    const CloudFigure& cloud = *report.cloud;
    fs::create_directories(folder / "scene");
    write_cloud(cloud, cloud.reference, folder);
    for (const CloudFigure::Cloud& c : cloud.models) write_cloud(cloud, c, folder);
  }
  write(folder / "results.json",
        results_json(report).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  write(folder / "report.txt", report_text(report));
  write(folder / "report.html", report_html(report));
  return folder / "report.html";
}

}  // namespace vqt
