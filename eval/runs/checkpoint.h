// The checkpoint of a run in output_dir/unfinished, from which --resume continues. One file per model: its
// outputs, what its processes reported, and a fingerprint of all that this depends on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "eval/results/json.h"
#include "eval/results/run_settings.h"
#include "eval/runs/job.h"
#include "loader/cli/progress_bar.h"
#include "loader/images/images.h"

namespace vqt {

// What running a model gave.
struct FinishedModel {
  JobResult quantized;  // empty for an archive that was given, and for the reference
  JobResult run;
  std::string outputs_file;  // path
};

// Everything that the outputs, time and memory of a model depend on. candidate null: of the reference.
Json fingerprint(const RunSettings& options, const ImageFile& pictures, const Candidate* candidate);

class Checkpoint {
 public:
  Checkpoint(const std::string& output_dir, bool resume, cli::ProgressBar& console);

  // With resume: what an earlier run saved under this name, if its fingerprint is `key` and nothing is
  // damaged. Else calls `run` and saves the result. Prints which of the two, and why.
  FinishedModel load_or_run(const std::string& name, const Json& key,
                            const std::function<FinishedModel()>& run);

  const std::vector<std::string>& loaded() const { return loaded_; }  // names
  // True without resume where an earlier run left something: it goes when the first model is saved.
  bool replaces() const { return replaces_; }
  // Says so, and how many of these models (name, fingerprint) --resume would not run again.
  void warn_before_replacing(const std::vector<std::pair<std::string, Json>>& models) const;

  // How to continue a run that ended early, by a signal or by an error; empty: nothing was saved yet.
  std::string resume_hint(bool interrupted) const;
  void remove();  // the run is complete

 private:
  std::string file(const std::string& name) const;
  std::optional<FinishedModel> load(const std::string& name, const Json& key);
  void save(const std::string& name, const Json& key, FinishedModel& model);

  std::string folder_;
  bool resume_;
  bool replaces_ = false;  // the folder is of an earlier run, to be replaced
  cli::ProgressBar& console_;
  std::vector<std::string> loaded_, saved_;
};

}  // namespace vqt
