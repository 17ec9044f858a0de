// What --progressive did. Torch-free.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/results/limit.h"

namespace vqt {

// Layers that --progressive quantizes in one step.
struct Part {
  std::string name;
  std::vector<std::string> sites;
  int64_t bytes = 0;
};

// A model to try: the base config, but for sites that these patterns match.
struct Trial {
  std::string name;  // of the candidate
  std::vector<std::string> keep_float, int4;
};

struct ProgressiveStep {
  std::string model;   // its name in the report
  std::string part;    // empty: all parts
  int bits = 8;        // that the part goes to
  bool alone = false;  // tried by itself, to see what it costs; else on top of what was taken before
  int64_t size_bytes = 0;
  double psnr_db = 0;          // of the worst output; inf: equal, NaN: none
  std::vector<double> values;  // one a limit
  bool held = false, taken = false;
};

struct Progressive {
  std::vector<Limit> limits;
  std::vector<double> bounds, references;  // one a limit: the value that just holds, the float model's
  std::vector<Part> parts;                 // after the first ones the pieces of those that were split
  std::vector<ProgressiveStep> steps;
  Trial last;                     // taken; without a name: none
  nlohmann::ordered_json config;  // of it, as vqt-quantize takes it; null: none
};

}  // namespace vqt
