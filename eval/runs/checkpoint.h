// What a run has done so far, in output_dir/unfinished: --resume goes on there. One file a model, its outputs
// with what its processes reported and what all that depends on.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "eval/results/json.h"
#include "eval/results/run_settings.h"
#include "eval/runs/job.h"
#include "loader/cli/console.h"
#include "loader/images/images.h"

namespace vqt {

// A model that has been run.
struct FinishedModel {
  JobResult quantized;  // empty for an archive that was given, and for the reference
  JobResult run;
  std::string forwards;  // file of its outputs
};

// Everything that a model's outputs, time and memory depend on. No candidate: the reference.
Json fingerprint(const RunSettings& options, const ImageFile& pictures, const Candidate* candidate);

class Checkpoint {
 public:
  Checkpoint(const std::string& output_dir, bool resume, Console& console);

  // With resume what an earlier run kept under this name, if key is the same and nothing is damaged; else
  // runs it and keeps that. Says which of the two, and why.
  FinishedModel load_or_run(const std::string& name, const Json& key,
                            const std::function<FinishedModel()>& run);

  const std::vector<std::string>& taken() const { return taken_; }  // names
  // Where a run that ends early can be taken up again, for its user; empty: it has done nothing yet.
  std::string resume_hint() const;
  void remove();  // the run is complete

 private:
  std::string file(const std::string& name) const;
  std::optional<FinishedModel> take(const std::string& name, const Json& key);
  void keep(const std::string& name, const Json& key, FinishedModel& model);

  std::string folder_;
  bool resume_;
  bool of_before_ = false;  // the folder is another run's, to be replaced
  Console& console_;
  std::vector<std::string> taken_, kept_;
};

}  // namespace vqt
