// The report as one page: report.html. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

std::string report_html(const EvalReport& report);

}  // namespace vqt
