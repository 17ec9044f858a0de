// The best model for each goal, with a reason in words: computed once for all parts of the report.
// Torch-free.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/results/eval_report.h"

namespace vqt {

// The last two need ground truth.
constexpr const char* kGoals[] = {"accuracy", "size", "speed", "balance", "poses", "depth"};

struct BestModel {
  std::string goal;   // one of kGoals
  std::string model;  // its name
  std::string why;
};

// The output with the lowest PSNR; nullptr where none has a PSNR.
const std::pair<std::string, Metrics>* worst_output(const ModelResult& model);

// True if it returns NaN or Inf only where the float model does.
bool is_finite(const ModelResult& model);
// Infinite where all outputs equal the float model's, minus infinite where no output has a PSNR.
double lowest_psnr(const ModelResult& model);
// Higher is better; a difference is the logarithm of a ratio.
double size_value(const ModelResult& model);
double speed_value(const ModelResult& model);
// Smaller differences count as none: archives differ by what surrounds the weights, times from run to run.
constexpr double kSizeMargin = 0.01, kTimeMargin = 0.03;

// The models that are ranked. Those that return NaN or Inf where the float model does not are ranked only if
// all do.
std::vector<const ModelResult*> ranking_candidates(const EvalReport& report);

// Accuracy: the highest lowest_psnr. Balance: accuracy (in dB), size and speed (both logarithmic), each
// scaled from 0 for the worst to 100 for the best model; the model with the highest minimum of the three is
// best, among equals the one with the highest sum. A goal in which the models hardly differ does not count.
// Empty for fewer than two models.
std::vector<BestModel> best_models(const EvalReport& report);

}  // namespace vqt
