// What was measured of one model: the float model or a quantized one. Torch-free.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/ground_truth/scores.h"
#include "eval/metrics/metrics.h"
#include "eval/results/json.h"

namespace vqt {

// World to camera: quaternion w x y z, translation x y z; unset: unknown, or NaN.
using CameraPose = std::optional<std::array<double, 7>>;

struct Cost {
  int64_t size_bytes = 0;  // of the model file
  double ms_per_image = 0;
  std::vector<double> all_ms;  // of the whole scene, one per timed run
  int64_t warmup = 0;
  int64_t peak_memory_bytes = 0;  // of the process that loaded and ran it
  double used_by_others = 0;      // share of the CPUs, 0 to 1, that other processes used while it was timed
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
  std::vector<CameraPose> cameras;  // one per image; empty: the model returns none
  std::optional<TruthScores> truth;
};

struct ModelResult {
  std::string name, source, path;  // source: model, config, preset, search, progressive
  Json config;                     // null for a float model
  Json sites;                      // the layer table of vqt.json; null for a float model
  Cost cost;
  std::vector<std::pair<std::string, Metrics>> outputs;
  std::vector<std::string> notes;
  std::vector<CameraPose> cameras;
  std::optional<TruthScores> truth;
  std::optional<int64_t> sites_quantized,
      sites_reused;  // layers quantized in this run: for this model, for an earlier one
};

}  // namespace vqt
