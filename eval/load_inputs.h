// The first steps of a run: its images and their ground truth.
#pragma once

#include <optional>
#include <string>

#include "eval/ground_truth/truth_errors.h"
#include "eval/results/eval_report.h"
#include "eval/results/run_settings.h"
#include "loader/cli/progress_bar.h"
#include "loader/images/images.h"

namespace vqt {

// In the report and on the terminal.
void add_note(EvalReport& report, cli::ProgressBar& console, const std::string& text);

// Reads and prepares the images into a file at `path`; describes them in report.scene. Throws Error,
// Interrupted.
ImageFile load_images(const RunSettings& settings, const std::string& path, EvalReport& report,
                      cli::ProgressBar& console);

// Samples the ground truth into a file at `path`; describes it in report.ground_truth. Unset: none was asked
// for. Throws Error, Interrupted.
std::optional<TruthStore> load_ground_truth(const RunSettings& settings, const ImageFile& images,
                                            const std::string& path, EvalReport& report,
                                            cli::ProgressBar& console);

}  // namespace vqt
