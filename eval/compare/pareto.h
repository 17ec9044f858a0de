// The Pareto front of size, error and time. Torch-free.
#pragma once

#include <string>
#include <vector>

#include "eval/results/eval_report.h"

namespace vqt {

// For each model whether it is on the front. It is unless another is at least as good in bytes of the
// archive, time per image and PSNR of the worst output, and better in one. Sizes within kSizeMargin and times
// within kTimeMargin are equal; PSNR repeats exactly and has no margin. Models that return NaN or Inf where
// the float model does not are on the front only if all do.
//
// "Within" is not transitive (100, 102 and 104 ms), yet models never beat each other in a circle, so the
// front is never empty: along one PSNR would stay the same; a step gains more than a margin of time or loses
// at most one, so fewer than half of the steps gain time; as few gain size; but each has to gain one of them.
std::vector<bool> pareto_front(const EvalReport& report);

// Names of at most `most` models, in the report's order: the best ones, then those on the front, then the
// others. The page draws these in its charts.
std::vector<std::string> highlighted(const EvalReport& report, size_t most);

}  // namespace vqt
