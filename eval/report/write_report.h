// The files of a report. Torch-free.
#pragma once

#include <string>

#include "eval/results/eval_report.h"

namespace vqt {

// Throws Error where write_report could not write now, before the work is done. Leaves nothing behind.
void try_report(const std::string& output_dir);

// results.json, report.txt, report.html, depth/*.png, scene/*; each beside its place and renamed. Returns
// the path of report.html.
std::string write_report(const EvalReport& report, const std::string& output_dir);

}  // namespace vqt
