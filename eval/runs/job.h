// What a process that does one job gets from its parent, a JSON file in a temporary folder, and what it returns
// through a pipe, which works on a full disk too: lines of progress, then the result. Torch-free.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "loader/images/image_options_json.h"

namespace vqt {

struct Job {
  std::string
      task;  // "run": forward passes of a model; "quantize": the model quantized by config into output
  std::string model;                   // its TorchScript file
  std::vector<std::string> libraries;  // of operators, loaded before it
  std::string name;                    // its name in errors
  bool given = true;                   // by the user, so that errors explain the flags of its input
  std::string output;                  // run: the file of outputs; quantize: the new model
  // run
  std::string pictures;  // file of images
  ImageOptions images;
  int64_t frames = 0;  // per forward pass; 0: all
  int64_t warmup = 2, runs = 3;
  // quantize
  std::string config, config_source;  // JSON, its source
  std::string packed;                 // folder of weights packed for earlier candidates; empty: none
  std::vector<std::string> later;     // configs of later candidates
};

struct JobResult {
  std::string error;  // empty: it worked
  int exit_code = 0;  // of vqt-eval, where there is an error
  int64_t file_bytes = 0;
  double ms = 0;  // of the whole scene, median
  std::vector<double> all_ms;
  int64_t peak_memory_bytes = 0;
  int64_t warmup = 0;
  double used_by_others = 0;  // share of the CPUs, 0 to 1, while all_ms was measured
  nlohmann::json report;      // of a quantized model (vqt/report_json.h), else null
  std::vector<std::string> warnings;
  int64_t sites_quantized = 0, sites_reused = 0;  // those of `packed`
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Job, task, model, libraries, name, given, output, pictures, images, frames,
                                   warmup, runs, config, config_source, packed, later)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(JobResult, error, exit_code, file_bytes, ms, all_ms, peak_memory_bytes,
                                   warmup, used_by_others, report, warnings, sites_quantized, sites_reused)

}  // namespace vqt
