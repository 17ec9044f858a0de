// Finds which outputs of a model are poses, depth and points, and scores them against ground truth.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "eval/ground_truth/truth_errors.h"
#include "eval/results/model_result.h"
#include "eval/runs/join_outputs.h"

namespace vqt {

// Outputs by the last part of their path: pose_enc [1, S, 9], depth [1, S, H, W, 1], world_points [1, S, H,
// W, 3]. Empty: the model has none.
struct TruthOutputs {
  std::string poses, depth, points;
  bool any() const { return !poses.empty() || !depth.empty() || !points.empty(); }
};
// The output with that last part of its path that holds `each` values for every image, one image after
// the other; empty: there is none.
std::string output_path(const std::vector<JoinedOutput>& outputs, const std::string& name, int64_t pictures,
                        int64_t each);
TruthOutputs truth_outputs(const std::vector<JoinedOutput>& outputs, int64_t pictures, Size frame);

// The path of the output that holds the depth of every pixel, or empty.
std::string depth_path(const std::vector<JoinedOutput>& outputs, int64_t pictures, Size frame);

// One forward pass's outputs, in memory as long as this is.
class ReadPrediction {
 public:
  ReadPrediction(const OutputsFile& file, const ForwardOutputs& forward, const TruthOutputs& outputs);
  Prediction prediction;

 private:
  at::Tensor depth_, points_;
};

// One per image.
std::vector<CameraPose> predicted_cameras(const OutputsFile& file, const TruthOutputs& outputs);
std::vector<CameraPose> true_cameras(const SceneTruth& scene);

TruthErrors truth_errors(const TruthStore& truth, const OutputsFile& file, const TruthOutputs& outputs);

}  // namespace vqt
