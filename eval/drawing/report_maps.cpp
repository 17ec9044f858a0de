#include "eval/drawing/report_maps.h"

#include <algorithm>
#include <utility>

#include "eval/drawing/depth_frames.h"
#include "eval/drawing/draw_cloud.h"

namespace vqt {

ReportMaps::ReportMaps(const Outputs& reference, const ImageFile& pictures, const RunSettings& options)
    : depth_path_(depth_path(reference.joined, pictures.count(), pictures.frame)) {
  if (!depth_path_.empty())
    frames_ = depth_frames(depth_planes(reference.file, depth_path_, options.depth_frames), pictures);
  if (options.cloud_points > 0) {
    cloud_ = SceneCloud::of(reference.file, reference.joined, pictures, options.cloud_confidence,
                            options.cloud_points);
  }
}

void ReportMaps::add(const std::string& model, const Outputs& outputs) {
  if (!frames_.empty()) {
    auto planes = depth_planes(outputs.file, depth_path_, static_cast<int64_t>(frames_.size()));
    for (size_t i = 0; i < frames_.size(); ++i) frames_[i].models.emplace_back(model, std::move(planes[i]));
  }
  if (cloud_) cloud_->shown().models.emplace_back(model, cloud_->points(outputs.file));
}

void ReportMaps::keep(const std::vector<std::string>& models) {
  const auto drop_others = [&](auto& drawn) {
    drawn.erase(std::remove_if(drawn.begin(), drawn.end(),
                               [&](const auto& m) {
                                 return std::find(models.begin(), models.end(), m.first) == models.end();
                               }),
                drawn.end());
  };
  for (DepthFrame& frame : frames_) drop_others(frame.models);
  if (cloud_) drop_others(cloud_->shown().models);
}

void ReportMaps::draw(EvalReport& report, cli::ProgressBar& console) {
  if (!frames_.empty()) {
    console.start("depth maps");
    for (const DepthFrame& frame : frames_) {
      report.depth_maps.push_back(draw_depth(frame, depth_path_, report.reference.name));
      console.update(static_cast<int64_t>(report.depth_maps.size()), static_cast<int64_t>(frames_.size()));
    }
    console.finish();
  }
  if (cloud_) {
    console.start("point cloud");
    report.cloud = draw_cloud(std::move(cloud_->shown()), report.reference.name);
    console.finish();
  }
}

}  // namespace vqt
