// Which model is best for what, in plain words: one computation for all faces of the report. Torch-free.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "report.h"

namespace vqt {

struct Winner {
  std::string goal;   // accuracy, size, speed, balance; with ground truth also poses and depth
  std::string model;  // its name
  std::string why;
};

// The output that suffered most: lowest PSNR among those that have one; nullptr where none has.
const std::pair<std::string, Metrics>* worst_output(const ModelResult& model);

// Accuracy: highest PSNR of a model's worst output. Balance: accuracy (in dB), size and speed (both
// logarithmic), each scaled from 0 for the worst to 100 for the best model; the model wins whose lowest of
// the three is highest, among equals the one with the highest sum. Where the models hardly differ in one of
// them it does not count. Models that return NaN or Inf where the float model does not win nothing while
// there are others. Empty for fewer than two models.
std::vector<Winner> winners(const EvalReport& report);

}  // namespace vqt
