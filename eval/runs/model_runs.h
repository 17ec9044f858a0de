// Runs the float model and the candidates, each in processes of its own.
#pragma once

#include <string>
#include <vector>

#include "eval/results/run_settings.h"
#include "eval/runs/checkpoint.h"
#include "eval/runs/job.h"
#include "eval/runs/process.h"
#include "loader/cli/progress_bar.h"
#include "loader/images/images.h"

namespace vqt {

class ModelRuns {
 public:
  // Keeps references to all of them.
  ModelRuns(const RunSettings& options, cli::ProgressBar& console, const TempFolder& temp,
            const ImageFile& pictures)
      : options_(options), console_(console), temp_(temp), pictures_(pictures) {}

  // The file of outputs is in temp until the next run. Throw Error, Interrupted.
  FinishedModel reference() const;
  // later: configs that the run still quantizes by, so that packed weights are kept for them.
  FinishedModel candidate(const Candidate& candidate, const std::vector<std::string>& later) const;

 private:
  Job job(const std::string& task, const std::string& model, const std::string& output) const;

  const RunSettings& options_;
  cli::ProgressBar& console_;
  const TempFolder& temp_;
  const ImageFile& pictures_;
};

}  // namespace vqt
