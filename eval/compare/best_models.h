// The best model for each goal, with a reason in words: computed once for all parts of the report.
// Torch-free.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/results/eval_report.h"

namespace vqt {

constexpr const char* kGoals[] = {"accuracy", "size", "speed"};

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
constexpr double kSizeMargin = 0.01, kTimeMargin = 0.03, kDbMargin = 0.5;
// True if the difference is more than the spread of the timed runs: the fastest of a took longer than the
// slowest of b, and the medians differ by more than kTimeMargin.
bool slower(const Cost& a, const Cost& b);

// The models that are ranked. Those that return NaN or Inf where the float model does not are ranked only if
// all do.
std::vector<const ModelResult*> ranking_candidates(const EvalReport& report);

// Accuracy: the highest lowest_psnr. Empty for fewer than two models.
std::vector<BestModel> best_models(const EvalReport& report);

}  // namespace vqt
