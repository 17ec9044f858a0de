// Which model is best for what, in plain words: one computation for all faces of the report. Torch-free.
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

// The output that suffered most: lowest PSNR among those that have one; nullptr where none has.
const std::pair<std::string, Metrics>* worst_output(const ModelResult& model);

// Does it return NaN or Inf only where the float model does?
bool is_finite(const ModelResult& model);
// Its PSNR: infinite where all outputs equal the float model's, minus infinite where there is none to go by.
double lowest_psnr(const ModelResult& model);
// More is better, and a difference is a ratio's logarithm.
double size_value(const ModelResult& model);
double speed_value(const ModelResult& model);
// Differences up to these are none: archives differ by what surrounds the weights, times by the machine's
// mood.
constexpr double kSizeMargin = 0.01, kTimeMargin = 0.03;

// The models that may win: those that return NaN or Inf where the float model does not are none while there
// are others.
std::vector<const ModelResult*> ranking_candidates(const EvalReport& report);

// Accuracy: highest PSNR of a model's worst output. Balance: accuracy (in dB), size and speed (both
// logarithmic), each scaled from 0 for the worst to 100 for the best model; the model wins whose lowest of
// the three is highest, among equals the one with the highest sum. Where the models hardly differ in one of
// them it does not count. Only ranking_candidates win. Empty for fewer than two models.
std::vector<BestModel> best_models(const EvalReport& report);

}  // namespace vqt
