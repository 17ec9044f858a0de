// What a run found, and the three ways it is told: results.json, report.txt, report.html. Torch-free.
#pragma once

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/drawing/depth_maps.h"
#include "eval/drawing/draw_cloud.h"
#include "eval/ground_truth/scores.h"
#include "eval/metrics/metrics.h"
#include "eval/results/progressive_result.h"

namespace vqt {

using Json = nlohmann::ordered_json;

// World to camera: quaternion w x y z, translation x y z; unset: unknown, or NaN.
using CameraPose = std::optional<std::array<double, 7>>;

struct Cost {
  int64_t size_bytes = 0;  // of the archive
  double ms_per_image = 0;
  std::vector<double> all_ms;  // of the whole scene, one a timed run
  int64_t warmup = 0;
  int64_t peak_memory_bytes = 0;  // of the process that loaded and ran it
};

struct OutputInfo {
  std::string path;
  std::vector<int64_t> shape;
  double low = 0, high = 0;  // range of the finite values
};

struct ReferenceResult {
  std::string name, path;
  Cost cost;
  std::vector<OutputInfo> outputs;
  std::vector<CameraPose> cameras;  // one a picture; empty: the model returns none
  std::optional<TruthScores> truth;
};

struct ModelResult {
  std::string name, source, path;  // source: model, config, preset, search, progressive
  Json config;                     // null for a float archive
  Json sites;                      // vqt.json's table; null for a float archive
  Cost cost;
  std::vector<std::pair<std::string, Metrics>> outputs;
  std::vector<std::string> notes;
  std::vector<CameraPose> cameras;
  std::optional<TruthScores> truth;
  std::optional<int64_t> sites_quantized, sites_reused;  // in this run: for this model, for one before it
};

// What poses, depth and points were scored against. Scores are in the reference and in every model.
struct GroundTruth {
  std::string folder;
  std::string depth_source;  // empty: none
  int64_t pictures = 0;      // with a known pose
  std::vector<CameraPose> cameras;
};

struct Scene {
  std::string folder;
  std::vector<std::string> names;  // pictures, in order
  int64_t height = 0, width = 0;   // as fed
  std::string preprocess, input_layout;
  int64_t frames = 0;  // a forward
};

struct EvalReport {
  Json environment;
  Json run;  // how it is repeated, see recorded_run
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

// "w8a8", or the two schemes with most weights joined by +; "float32" where nothing is quantized.
std::string main_scheme(const ModelResult& model);

// docs/results.schema.json describes it. A field that changes its meaning or goes makes a new version; new
// fields do not.
constexpr int kResultsVersion = 1;
Json results_json(const EvalReport& report);
// The winners in words; then the comparison: one row a model, then the PSNR of every output.
std::string summary_text(const EvalReport& report);
std::string report_text(const EvalReport& report);
std::string report_html(const EvalReport& report);

// results.json, report.txt, report.html, depth/*.png, scene/*.ply; each beside its place and renamed. Returns
// the path of report.html.
std::string write_report(const EvalReport& report, const std::string& output_dir);

}  // namespace vqt
