// The steps of --progressive as the report's table, file and JSON. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

constexpr const char* kProgressiveConfig = "progressive.json";  // in the folder of the results

Json progressive_json(const EvalReport& report);
// The limits, a row per step, and the result. Empty without --progressive.
std::string progressive_text(const EvalReport& report);
// "9.3 MB, 4.10x smaller than the float model, lowest PSNR 35.2 dB (at least 35.0 dB)", of the last step
// accepted.
std::string progressive_outcome(const EvalReport& report);

}  // namespace vqt
