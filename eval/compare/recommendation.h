// The model to take, in one sentence. Torch-free.
#pragma once

#include <optional>
#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// What the worst output has to keep: an RMSE of 1.8 % of its range.
constexpr double kLeastDb = 35;
// Models that much larger than the smallest count as equally small.
constexpr double kAsSmall = 0.10;

struct Recommendation {
  std::string model;  // its name; empty: none
  std::string
      why;  // what it gains and keeps, or what is wrong with the model closest to float and what to try
};

// Among the models that
//   keep at least kLeastDb in every output (NaN and Inf only where the float model has them),
//   are not significantly worse in poses (AUC@30) and depth (AbsRel), where there is ground truth,
//   are smaller than the float model and not slower (see slower),
// the smallest; of those that are as small the most accurate; of those that are as accurate (within kDbMargin)
// the fastest. Unset: there are no models, or --progressive chose by limits of its own.
std::optional<Recommendation> recommendation(const EvalReport& report);

}  // namespace vqt
