// What a run does: the models to compare, the images they run on, what is kept. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/results/limit.h"
#include "loader/images/image_options.h"
#include "vqt/config.h"

namespace vqt {

// What is compared with the reference: a TorchScript file as it is, or the reference quantized by a config.
struct Candidate {
  std::string name;           // distinct within a run
  std::string source;         // "model", "config", "preset", "search" or "progressive"
  std::string path;           // of the model or config file; the name of the preset; search: that of its base
  QuantizationConfig config;  // unused for "model"
};

struct RunSettings {
  std::string reference;
  std::vector<std::string> libraries;  // of operators that the models call
  std::vector<Candidate> candidates;   // in the order given
  std::string image_folder;  // with ground_truth it may be empty: the images are those of that folder
  std::string ground_truth;  // the folder of a scene; empty: none
  std::string save_reference, load_reference;  // files of the float model's outputs; empty: none
  bool progressive = false;                    // it starts from the only candidate
  std::vector<Limit> limits;                   // of --progressive
  int64_t int4_group_size = 128;               // of --progressive
  int64_t max_images = -1;                     // all
  int64_t frames = 0;                          // images per forward pass; 0: all in one
  ImageOptions images;
  bool plan = false;                  // print what forward passes would need, run nothing else
  std::optional<int64_t> max_memory;  // of the plan, bytes
  std::string output_dir = "results";
  std::string device = "cpu";
  int64_t warmup = 2, runs = 3;
  int64_t depth_frames = 4;       // frames per model that depth maps are drawn for
  int64_t cloud_points = 500000;  // a model, at most; 0: no point cloud
  double cloud_confidence = 50;   // percent of pixels that are left out, the least confident ones
  bool resume = false;
  std::string check;          // results.json whose run is repeated; empty: none
  double tolerance_db = 0.1;  // of check, see check_results
  bool quiet = false;
  std::vector<std::string> notes;  // about the candidates, for the report
  std::string command_line;        // as typed, quoted for a shell
  std::string help;                // not empty: print it and leave with 0
};

}  // namespace vqt
