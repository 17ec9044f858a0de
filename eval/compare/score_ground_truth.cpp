#include "eval/compare/score_ground_truth.h"

#include <algorithm>
#include <cmath>

namespace vqt {
namespace {

CameraPose camera_pose(const Pose& p) {
  const Quaternion& q = p.rotation;
  const auto& t = p.translation;
  const std::array<double, 7> values = {q.w, q.x, q.y, q.z, t[0], t[1], t[2]};
  const bool finite = std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
  return finite ? CameraPose(values) : CameraPose();
}

}  // namespace

std::string output_path(const std::vector<JoinedOutput>& outputs, const std::string& name, int64_t pictures,
                        int64_t each) {
  for (const JoinedOutput& o : outputs) {
    if (o.path.substr(o.path.rfind('.') + 1) != name || o.frame_axis < 0) continue;
    int64_t before = 1, all = 1;
    for (int64_t d = 0; d < static_cast<int64_t>(o.shape.size()); ++d) {
      all *= o.shape[d];
      if (d < o.frame_axis) before *= o.shape[d];
    }
    if (before == 1 && all == pictures * each) return o.path;
  }
  return {};
}

ReadPrediction::ReadPrediction(const OutputsFile& file, const ForwardOutputs& forward,
                               const TruthOutputs& outputs) {
  prediction.first = forward.first;
  prediction.count = forward.count;
  const auto read = [&](const std::string& path, at::ScalarType type) {
    return file.read(*forward.find(path)).to(type).contiguous();
  };
  if (!outputs.poses.empty()) {
    const at::Tensor poses = read(outputs.poses, at::kDouble);
    prediction.poses.assign(poses.data_ptr<double>(), poses.data_ptr<double>() + poses.numel());
  }
  if (!outputs.depth.empty()) {
    depth_ = read(outputs.depth, at::kFloat);
    prediction.depth = depth_.data_ptr<float>();
  }
  if (!outputs.points.empty()) {
    points_ = read(outputs.points, at::kFloat);
    prediction.points = points_.data_ptr<float>();
  }
}

std::string depth_path(const std::vector<JoinedOutput>& outputs, int64_t pictures, Size frame) {
  return output_path(outputs, "depth", pictures, frame.height * frame.width);
}

TruthOutputs truth_outputs(const std::vector<JoinedOutput>& outputs, int64_t pictures, Size frame) {
  return {output_path(outputs, "pose_enc", pictures, 9), depth_path(outputs, pictures, frame),
          output_path(outputs, "world_points", pictures, 3 * frame.height * frame.width)};
}

std::vector<CameraPose> predicted_cameras(const OutputsFile& file, const TruthOutputs& outputs) {
  std::vector<CameraPose> cameras;
  if (outputs.poses.empty()) return cameras;
  for (const ForwardOutputs& f : file.passes()) {
    const Prediction prediction = ReadPrediction(file, f, {outputs.poses, {}, {}}).prediction;
    for (int64_t i = 0; i < f.count; ++i)
      cameras.push_back(camera_pose(decode_pose(&prediction.poses[9 * i])));
  }
  return cameras;
}

std::vector<CameraPose> true_cameras(const SceneTruth& scene) {
  std::vector<CameraPose> cameras;
  for (const PictureTruth& p : scene.pictures)
    cameras.push_back(p.known ? camera_pose(p.pose) : CameraPose());
  return cameras;
}

TruthErrors truth_errors(const TruthStore& truth, const OutputsFile& file, const TruthOutputs& outputs) {
  TruthErrorsBuilder builder(truth);
  for (const ForwardOutputs& f : file.passes()) builder.add(ReadPrediction(file, f, outputs).prediction);
  const TruthOutputs depth{{}, outputs.depth, {}};
  for (const ForwardOutputs& f : file.passes()) builder.add_depth(ReadPrediction(file, f, depth).prediction);
  return builder.take();
}

}  // namespace vqt
