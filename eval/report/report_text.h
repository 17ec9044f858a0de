// The report as text: report.txt and what the terminal shows. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// The headline; then a table with a row per model; then the PSNR of every output.
std::string summary_text(const EvalReport& report);
std::string report_text(const EvalReport& report);

}  // namespace vqt
