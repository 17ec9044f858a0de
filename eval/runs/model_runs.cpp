#include "eval/runs/model_runs.h"

#include <filesystem>

#include "eval/runs/run_job.h"

namespace vqt {

FinishedModel ModelRuns::reference() const {
  const Job work = job("run", options_.reference, "reference");
  return {{}, run_job(work, temp_, console_, "reference"), work.output};
}

FinishedModel ModelRuns::candidate(const Candidate& candidate, const std::vector<std::string>& later) const {
  FinishedModel done;
  std::string archive = candidate.path;
  if (candidate.source != "model") {
    Job work = job("quantize", options_.reference, "quantized.pt");
    work.config = candidate.config.to_json();
    work.config_source = candidate.config.source;
    work.packed = temp_.file("packed");
    work.later = later;
    done.quantized = run_job(work, temp_, console_, candidate.name + ": quantize");
    archive = work.output;
  }
  Job work = job("run", archive, "outputs");
  work.given = candidate.source == "model";
  if (!work.given) work.name = candidate.name;
  done.run = run_job(work, temp_, console_, candidate.name);
  done.outputs_file = work.output;
  if (candidate.source != "model") std::filesystem::remove(archive);
  return done;
}

Job ModelRuns::job(const std::string& task, const std::string& model, const std::string& output) const {
  Job job;
  job.task = task;
  job.model = job.name = model;
  job.libraries = options_.libraries;
  job.output = temp_.file(output);
  job.pictures = pictures_.file->path();
  job.images = options_.images;
  job.frames = options_.frames;
  job.warmup = options_.warmup;
  job.runs = options_.runs;
  return job;
}

}  // namespace vqt
