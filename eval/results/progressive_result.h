// What --progressive did. Torch-free.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "eval/results/limit.h"

namespace vqt {

// Layers that --progressive quantizes in one step.
struct ModuleGroup {
  std::string name;
  std::vector<std::string> layers;
  int64_t bytes = 0;
};

// A model to try: the base config, with other schemes for the layers that these patterns match.
struct Trial {
  std::string name;  // of the candidate
  std::vector<std::string> keep_float, int4;
};

struct ProgressiveStep {
  std::string model;   // its name in the report
  std::string group;   // empty: all groups
  int bits = 8;        // that the group goes to
  bool alone = false;  // on top of the base; else on top of what was accepted before
  int64_t size_bytes = 0;
  double psnr_db = 0;          // of the worst output; inf: equal, NaN: none
  std::vector<double> values;  // one per limit
  bool held = false, taken = false;
};

struct Progressive {
  std::vector<Limit> limits;
  std::vector<double> bounds, references;  // one per limit: the value that just holds, the float model's
  std::vector<ModuleGroup> groups;         // the first ones, then the pieces of those that were split
  std::vector<ProgressiveStep> steps;
  Trial last;                     // accepted; without a name: none
  nlohmann::ordered_json config;  // of it, as vqt-quantize takes it; null: none
};

}  // namespace vqt
