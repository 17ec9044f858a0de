// The figures of the report: depth maps and point clouds of the float model and of all others.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eval/compare/compare_outputs.h"
#include "eval/drawing/depth_maps.h"
#include "eval/drawing/scene_cloud.h"
#include "eval/results/eval_report.h"
#include "eval/results/run_settings.h"
#include "loader/cli/progress_bar.h"
#include "loader/images/images.h"

namespace vqt {

class ReportMaps {
 public:
  ReportMaps(const Outputs& reference, const ImageFile& pictures, const RunSettings& options);

  void add(const std::string& model, const Outputs& outputs);
  void keep(const std::vector<std::string>& models);  // drops all others
  // Into the report. Once: the points are moved there.
  void draw(EvalReport& report, cli::ProgressBar& console);

 private:
  std::string depth_path_;  // of the output that depth maps are drawn of; empty: none
  std::vector<DepthFrame> frames_;
  std::optional<SceneCloud> cloud_;
};

}  // namespace vqt
