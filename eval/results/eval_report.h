// All results of a run: the content of its report. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/results/cloud_figure.h"
#include "eval/results/depth_map.h"
#include "eval/results/model_result.h"
#include "eval/results/progressive_result.h"

namespace vqt {

// docs/results.schema.json describes results.json. A field that changes its meaning or is removed
// makes a new version; new fields do not.
constexpr int kResultsVersion = 1;

// What poses, depth and points were scored against. Scores are in the reference and in every model.
struct GroundTruth {
  std::string folder;
  std::string layout;        // ETH3D, COLMAP, ...
  std::string depth_source;  // empty: none
  int64_t pictures = 0;      // with a known pose
  std::vector<CameraPose> cameras;
};

struct Scene {
  std::string folder;
  std::vector<std::string> names;  // images, in order
  int64_t height = 0, width = 0;   // as fed
  std::string preprocess, input_layout;
  int64_t frames = 0;  // per forward pass
};

struct EvalReport {
  Json environment;
  Json run;  // how to repeat it, see recorded_run
  Scene scene;
  std::optional<GroundTruth> ground_truth;
  ReferenceResult reference;
  std::vector<ModelResult> models;
  std::vector<DepthMap> depth_maps;
  std::optional<CloudFigure> cloud;  // unset: the models return no points, or none were asked for
  std::optional<Progressive> progressive;
  std::vector<std::string> notes;
  bool interrupted = false;  // not all models are there; a note says how many
};

}  // namespace vqt
