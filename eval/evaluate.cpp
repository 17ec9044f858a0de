#include "eval/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "eval/compare/compare_outputs.h"
#include "eval/compare/pareto.h"
#include "eval/compare/recorded_run.h"
#include "eval/compare/score_ground_truth.h"
#include "eval/drawing/report_maps.h"
#include "eval/load_inputs.h"
#include "eval/plan.h"
#include "eval/runs/check_models.h"
#include "eval/runs/environment.h"
#include "eval/runs/model_runs.h"
#include "eval/runs/process.h"
#include "eval/runs/run_job.h"
#include "eval/runs/saved_reference.h"
#include "eval/search/progressive.h"
#include "eval/search/progressive_config.h"
#include "loader/cli/interrupts.h"
#include "vqt/atomic_file.h"
#include "vqt/error.h"
#include "vqt/report_json.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr size_t kMostDrawn = 8;  // models: depth maps and clouds of 200 would make a page of 100 MB

// What all steps use: the settings, and where they report.
struct Run {
  const RunSettings& settings;
  cli::ProgressBar& console;
  Checkpoint& checkpoint;
  EvalReport& report;
};

// The float model's outputs, which candidates are compared with.
struct Reference {
  Outputs outputs;
  TruthOutputs truth_outputs;  // which of them are scored against ground truth
  TruthErrors truth_errors;    // empty without ground truth
};

// The inputs that candidates are run on and compared with.
struct Inputs {
  const ImageFile& images;
  const std::optional<TruthStore>& truth;
  const ModelRuns& runs;
  const Reference& reference;
};

// A path that is mistyped or cannot be written is reported before the first forward pass.
void check_files(const RunSettings& settings) {
  std::vector<std::string> paths = {settings.reference};
  if (!settings.load_reference.empty()) paths.push_back(settings.load_reference);
  for (const Candidate& c : settings.candidates) {
    if (c.source == "model") paths.push_back(c.path);
  }
  for (const std::string& path : paths) {
    if (!fs::is_regular_file(path)) {
      throw Error(fmt::format("{}: {}", path, fs::exists(path) ? "not a regular file" : "no such file"));
    }
  }
  const fs::path saved = settings.save_reference;
  if (saved.empty()) return;
  if (!fs::is_directory(saved.has_parent_path() ? saved.parent_path() : "."))
    throw Error(fmt::format("--save-reference: {}: no such folder", saved.parent_path().string()));
  try_output(saved);
}

// How far a model's poses, depth and points are off.
TruthErrors errors_of(const Outputs& outputs, const TruthOutputs& scored, const TruthStore& truth,
                      const std::string& name, cli::ProgressBar& console) {
  console.start(name + ": ground truth");
  TruthErrors errors = truth_errors(truth, outputs.file, scored);
  console.finish();
  return errors;
}

Outputs load_reference(const Run& run, const ImageFile& images) {
  const std::string& path = run.settings.load_reference;
  Outputs outputs(path, run.settings.images.layout);
  check_same_reference(outputs.file.about(), describe_reference(run.settings, images), path);
  run.report.reference.cost = cost_from_json(outputs.file.about().at("cost"));
  add_note(run.report, run.console,
           fmt::format("reference: outputs, time and memory come from the run that wrote {}", path));
  return outputs;
}

Outputs run_reference(const Run& run, const ImageFile& images, const ModelRuns& runs) {
  const FinishedModel done = run.checkpoint.load_or_run(
      "reference", fingerprint(run.settings, images, nullptr), [&] { return runs.reference(); });
  if (const auto text = timing_note(done.run, run.settings))
    add_note(run.report, run.console, "reference: " + *text);
  run.report.reference.cost = cost_of(done.run, images.count());
  return Outputs(done.outputs_file, run.settings.images.layout);
}

void save_reference(const Run& run, const ImageFile& images, const Outputs& outputs) {
  Json about = describe_reference(run.settings, images);
  about["cost"] = cost_to_json(run.report.reference.cost);
  save_outputs(outputs.file, about, run.settings.save_reference);
}

// The float model's outputs, of this run or of one before, and their scores.
Reference open_reference(const Run& run, const ImageFile& images, const std::optional<TruthStore>& truth,
                         const ModelRuns& runs) {
  ReferenceResult& result = run.report.reference;
  result.name = fs::path(run.settings.reference).stem().string();
  result.path = run.settings.reference;
  const bool load = !run.settings.load_reference.empty();
  Reference reference{load ? load_reference(run, images) : run_reference(run, images, runs), {}, {}};
  const Outputs& outputs = reference.outputs;
  if (!run.settings.save_reference.empty()) save_reference(run, images, outputs);
  result.outputs = describe_outputs(outputs);
  reference.truth_outputs = truth_outputs(outputs.joined, images.count(), images.frame);
  result.cameras = predicted_cameras(outputs.file, reference.truth_outputs);
  if (!truth) return reference;
  if (!reference.truth_outputs.any()) {
    throw Error(
        fmt::format("--ground-truth: expected an output named pose_enc [1, S, 9], depth [1, S, H, W, 1] or "
                    "world_points [1, S, H, W, 3], the reference returns {}",
                    names_of(outputs.joined)));
  }
  reference.truth_errors = errors_of(outputs, reference.truth_outputs, *truth, "reference", run.console);
  result.truth = truth_scores(reference.truth_errors, nullptr);
  return reference;
}

// The configs that come after this candidate: packed weights are kept for them.
std::vector<std::string> configs_after(const RunSettings& settings, const Candidate& candidate) {
  if (settings.progressive) return configs_of_steps(settings);
  const std::vector<Candidate>& all = settings.candidates;
  auto next =
      std::find_if(all.begin(), all.end(), [&](const Candidate& c) { return c.name == candidate.name; });
  std::vector<std::string> configs;
  for (; next != all.end(); ++next) {
    if (next->name != candidate.name && next->source != "model") configs.push_back(next->config.to_json());
  }
  return configs;
}

std::string saved_name(const Candidate& candidate) { return "model " + candidate.name; }

// What a candidate's processes reported.
ModelResult reported_result(const Candidate& c, const FinishedModel& done, const RunSettings& settings,
                            int64_t images) {
  ModelResult model;
  model.name = c.name;
  model.source = c.source;
  model.path = c.path;
  if (c.source != "model") {
    model.notes = done.quantized.warnings;
    model.sites_quantized = done.quantized.sites_quantized;
    model.sites_reused = done.quantized.sites_reused;
  }
  model.cost = cost_of(done.run, images);
  if (!done.run.report.is_null()) {
    const Report report = report_from_json(done.run.report, c.name);
    model.config = Json::parse(report.config.to_json());
    model.sites = sites_to_json(report.sites);
    if (c.source == "model") model.notes = report.warnings;
  }
  if (const auto note = timing_note(done.run, settings)) model.notes.push_back(*note);
  return model;
}

// Once it is known what the run consists of, and before anything is replaced.
void warn_before_replacing(const Run& run, const ImageFile& images) {
  if (!run.checkpoint.replaces()) return;
  const RunSettings& settings = run.settings;
  std::vector<std::pair<std::string, Json>> models;
  if (settings.load_reference.empty())
    models.emplace_back("reference", fingerprint(settings, images, nullptr));
  for (const Candidate& c : settings.candidates) {
    if (!settings.progressive) models.emplace_back(saved_name(c), fingerprint(settings, images, &c));
  }
  run.checkpoint.warn_before_replacing(models);
}

// Runs it or loads what an earlier run saved of it, compares it, adds it to the report.
const ModelResult& run_candidate(const Run& run, const Inputs& inputs, const Candidate& c, ReportMaps& maps) {
  const ImageFile& images = inputs.images;
  const Reference& reference = inputs.reference;
  const auto run_now = [&] { return inputs.runs.candidate(c, configs_after(run.settings, c)); };
  const FinishedModel done =
      run.checkpoint.load_or_run(saved_name(c), fingerprint(run.settings, images, &c), run_now);
  ModelResult model = reported_result(c, done, run.settings, images.count());
  const Outputs outputs(done.outputs_file, run.settings.images.layout);
  compare_outputs(reference.outputs, outputs, model);
  model.cameras = predicted_cameras(outputs.file, reference.truth_outputs);
  if (inputs.truth) {
    const TruthErrors errors =
        errors_of(outputs, reference.truth_outputs, *inputs.truth, c.name, run.console);
    model.truth = truth_scores(errors, &reference.truth_errors);
  }
  maps.add(c.name, outputs);
  for (const std::string& note : model.notes) run.console.warn(c.name + ": " + note);
  run.report.models.push_back(std::move(model));
  cli::throw_if_interrupted();
  return run.report.models.back();
}

void run_all(const Run& run, const Inputs& inputs, ReportMaps& maps) {
  for (const Candidate& c : run.settings.candidates) run_candidate(run, inputs, c, maps);
  maps.keep(highlighted(run.report, kMostDrawn));
}

void run_candidates_progressively(const Run& run, const Inputs& inputs, ReportMaps& maps) {
  const RunSettings& settings = run.settings;
  check_reference_holds(settings.limits, run.report.reference);
  const auto candidate = [&](const Trial& trial) {
    return candidate_of(settings.candidates.at(0), trial, settings.int4_group_size);
  };
  Progressive& found = run.report.progressive.emplace(
      run_progressive(settings.limits, run.report.reference, [&](const Trial& trial) -> const ModelResult& {
        return run_candidate(run, inputs, candidate(trial), maps);
      }));
  if (!found.last.name.empty()) {
    const Candidate last = candidate({"progressive", found.last.keep_float, found.last.int4});
    found.config = Json::parse(last.config.to_json());
  }
  // Images of the first step and of where it ended are enough.
  maps.keep({found.steps[0].model, found.last.name});
}

// The models that are done still make a report.
void note_interruption(const Run& run) {
  EvalReport& report = run.report;
  const std::string of =
      run.settings.progressive ? "" : fmt::format(" of {}", run.settings.candidates.size());
  report.interrupted = true;
  report.notes.insert(
      report.notes.begin(),
      fmt::format("interrupted: {}{} models done; run the same command with --resume to continue",
                  report.models.size(), of));
}

// Not interrupted: it takes seconds, and without it the finished runs would be lost.
void finish_report(const Run& run, ReportMaps& maps) {
  if (!run.checkpoint.loaded().empty()) {
    run.report.notes.push_back(
        fmt::format("resumed: outputs, time and memory of {} come from an earlier run that was not finished",
                    fmt::join(run.checkpoint.loaded(), ", ")));
  }
  maps.draw(run.report, run.console);
  run.report.environment = describe_environment(run.settings.command_line);
  run.report.run = recorded_run(run.settings);
}

}  // namespace

void evaluate(const RunSettings& settings, cli::ProgressBar& console, Checkpoint& checkpoint,
              EvalReport& report) {
  const Run run{settings, console, checkpoint, report};
  const TempFolder temp(settings.output_dir);
  check_files(settings);
  check_models(settings);
  for (const std::string& text : settings.notes) add_note(report, console, text);
  const ImageFile images = load_images(settings, temp.file("pictures"), report, console);
  refuse_what_does_not_fit(settings, images);
  const auto truth = load_ground_truth(settings, images, temp.file("truth"), report, console);
  const ModelRuns runs(settings, console, temp, images);
  warn_before_replacing(run, images);
  const Reference reference = open_reference(run, images, truth, runs);
  ReportMaps maps(reference.outputs, images, settings);
  const Inputs inputs{images, truth, runs, reference};
  try {
    settings.progressive ? run_candidates_progressively(run, inputs, maps) : run_all(run, inputs, maps);
  } catch (const cli::Interrupted&) {
    if (!report.models.empty()) {
      note_interruption(run);
      maps.keep(highlighted(report, kMostDrawn));
      finish_report(run, maps);
    }
    throw;
  }
  finish_report(run, maps);
}

}  // namespace vqt
