#include "eval/evaluate.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <optional>

#include "eval/compare/compare_outputs.h"
#include "eval/compare/pareto.h"
#include "eval/compare/recorded_run.h"
#include "eval/compare/score_truth.h"
#include "eval/drawing/report_maps.h"
#include "eval/runs/environment.h"
#include "eval/runs/model_runs.h"
#include "eval/runs/process.h"
#include "eval/runs/run_job.h"
#include "eval/runs/saved_reference.h"
#include "eval/search/progressive.h"
#include "eval/search/progressive_config.h"
#include "loader/images/exif.h"
#include "loader/images/images.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr size_t kMostPictured = 8;  // models: depth maps and clouds of 200 would make a page of 100 MB

// The configs that are quantized by after this candidate's: packed weights are kept for them.
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

class Evaluation {
 public:
  Evaluation(const RunSettings& options, Console& console, UnfinishedRun& unfinished, EvalReport& report)
      : options_(options),
        console_(console),
        unfinished_(unfinished),
        temp_(options.output_dir),
        runs_(options, console, temp_, images_),
        report_(report) {}

  void run() {
    check_archives_exist();
    for (const std::string& text : options_.notes) note(text);
    load_pictures();
    load_ground_truth();
    open_reference();
    if (options_.progressive) {
      run_progressively();
    } else {
      for (const Candidate& c : options_.candidates) run_candidate(c);
    }
    finish_report();
  }

  // What is finished makes a report, too.
  void report_interruption() {
    const std::string of = options_.progressive ? "" : fmt::format(" of {}", options_.candidates.size());
    report_.interrupted = true;
    report_.notes.insert(report_.notes.begin(),
                         fmt::format("interrupted: {}{} models done; the same command with --resume goes on",
                                     report_.models.size(), of));
    finish_report();
  }

 private:
  // Not to be interrupted: it takes seconds, and all that was run would be for nothing.
  void finish_report() {
    if (!unfinished_.taken().empty()) {
      report_.notes.push_back(
          fmt::format("resumed: outputs, time and memory of {} are those of a run that was not finished",
                      fmt::join(unfinished_.taken(), ", ")));
    }
    if (maps_) {
      if (!report_.progressive) maps_->keep(featured(report_, kMostPictured));
      maps_->draw(report_, console_);
    }
    report_.environment = describe_environment(options_.command_line);
    report_.run = recorded_run(options_);
  }

  // A name typed wrong shows before the first forward.
  void check_archives_exist() const {
    std::vector<std::string> paths = {options_.reference};
    if (!options_.load_reference.empty()) paths.push_back(options_.load_reference);
    for (const Candidate& c : options_.candidates) {
      if (c.source == "model") paths.push_back(c.path);
    }
    for (const std::string& path : paths) {
      if (!fs::is_regular_file(path)) {
        throw std::runtime_error(
            fmt::format("{}: {}", path, fs::exists(path) ? "is no regular file" : "no such file"));
      }
    }
    const fs::path saved = options_.save_reference;
    if (!saved.empty() && !fs::is_directory(saved.has_parent_path() ? saved.parent_path() : "."))
      throw std::runtime_error(
          fmt::format("--save_reference: {}: no such folder", saved.parent_path().string()));
  }

  void load_pictures() {
    const std::string folder = options_.image_folder.empty()
                                   ? (fs::path(options_.ground_truth) / kEth3dPictures).string()
                                   : options_.image_folder;
    const ImageList list = list_images(folder, options_.max_images);
    if (list.from_subfolder) {
      report_.notes.push_back(
          fmt::format("no pictures directly in {}; used its subfolder {}", folder, list.folder));
      console_.note(report_.notes.back());
    }
    console_.start("pictures");
    images_ = write_images(list, options_.images, temp_.file("pictures"), progress());
    console_.finish();
    std::vector<std::string> turned;
    for (const std::string& path : list.paths) {
      if (exif_orientation(path) != 1) turned.push_back(fs::path(path).filename().string());
    }
    if (!turned.empty()) {
      note(fmt::format(
          "the EXIF orientation of {} picture{} is not applied, as in VGGT's own loader: {}{}; turn the "
          "pixels "
          "where they should stand upright",
          turned.size(), turned.size() == 1 ? "" : "s", turned[0], turned.size() > 1 ? ", ..." : ""));
    }
    report_.scene = {list.folder,
                     images_.names,
                     images_.frame.height,
                     images_.frame.width,
                     nlohmann::json(options_.images.preprocess),
                     nlohmann::json(options_.images.layout),
                     options_.frames > 0 ? std::min(options_.frames, images_.count()) : images_.count()};
  }

  ImageProgress progress() {
    return [this](int64_t done, int64_t total) {
      throw_if_interrupted();
      console_.update(done, total);
    };
  }

  void note(const std::string& text) {
    report_.notes.push_back(text);
    console_.warn(text);
  }

  void load_ground_truth() {
    if (options_.ground_truth.empty()) return;
    console_.start("ground truth");
    SceneTruth scene = read_eth3d(options_.ground_truth, images_.names);
    truth_.emplace(std::move(scene), images_.names, images_.placements, images_.frame, temp_.file("truth"),
                   progress());
    console_.finish();
    for (const std::string& text : truth_->scene().notes) note(text);
    GroundTruth& shown = report_.ground_truth.emplace();
    shown.folder = options_.ground_truth;
    shown.depth_source = truth_->scene().depth_source;
    shown.cameras = true_cameras(truth_->scene());
    for (const PictureTruth& picture : truth_->scene().pictures) shown.pictures += picture.known;
    if (!shown.depth_source.empty() && truth_->depth_pixels() == 0)
      note(
          "ground truth: no pixel of the pictures, as they are fed, has a known depth; only poses are "
          "scored");
  }

  // What a model's poses, depth and points are worth.
  TruthErrors score(const Outputs& outputs, const std::string& name) {
    console_.start(name + ": ground truth");
    TruthErrors errors = truth_errors(*truth_, outputs.file, truth_outputs_);
    console_.finish();
    return errors;
  }

  // The float model's outputs, of a run now or of one before.
  void open_reference() {
    report_.reference.name = fs::path(options_.reference).stem().string();
    report_.reference.path = options_.reference;
    const bool load = !options_.load_reference.empty();
    Json about;
    if (load || !options_.save_reference.empty()) about = describe_reference(options_, images_);
    if (load) {
      reference_.emplace(options_.load_reference, options_.images.layout);
      check_same_reference(reference_->file.about(), about, options_.load_reference);
      report_.reference.cost = cost_from_json(reference_->file.about().at("cost"));
      note(fmt::format("reference: outputs, time and memory are those of the run that wrote {}",
                       options_.load_reference));
    } else {
      const FinishedModel done = unfinished_.take_or_run("reference", work_key(options_, images_, nullptr),
                                                         [this] { return runs_.reference(); });
      if (const auto text = timing_note(done.run, options_)) report_.notes.push_back("reference: " + *text);
      report_.reference.cost = cost_of(done.run, images_.count());
      reference_.emplace(done.forwards, options_.images.layout);
    }
    if (!options_.save_reference.empty()) {
      about["cost"] = cost_to_json(report_.reference.cost);
      save_forwards(reference_->file, about, options_.save_reference);
    }
    report_.reference.outputs = describe_outputs(*reference_);
    maps_.emplace(*reference_, images_, options_);
    truth_outputs_ = truth_outputs(reference_->joined, images_.count(), images_.frame);
    report_.reference.cameras = predicted_cameras(reference_->file, truth_outputs_);
    if (truth_) score_reference();
  }

  void score_reference() {
    if (!truth_outputs_.any()) {
      throw EvalError(
          fmt::format("--ground_truth: expected an output named pose_enc [1, S, 9], depth [1, S, H, W, 1] or "
                      "world_points [1, S, H, W, 3], the reference returns {}",
                      names_of(reference_->joined)),
          1);
    }
    reference_errors_ = score(*reference_, "reference");
    report_.reference.truth = truth_scores(reference_errors_, nullptr);
  }

  void run_candidate(const Candidate& c) {
    const FinishedModel done =
        unfinished_.take_or_run("model " + c.name, work_key(options_, images_, &c),
                                [&] { return runs_.candidate(c, configs_after(options_, c)); });
    ModelResult model;
    model.name = c.name;
    model.source = c.source;
    model.path = c.path;
    if (c.source != "model") {
      model.notes = done.quantized.warnings;
      model.sites_quantized = done.quantized.sites_quantized;
      model.sites_reused = done.quantized.sites_reused;
    }
    model.cost = cost_of(done.run, images_.count());
    if (!done.run.vqt_json.empty()) {
      const Json table = Json::parse(done.run.vqt_json);
      model.config = table.value("config", Json());
      model.sites = table.value("sites", Json());
    }
    if (const auto note = timing_note(done.run, options_)) model.notes.push_back(*note);
    const Outputs outputs(done.forwards, options_.images.layout);
    compare_outputs(*reference_, outputs, model);
    model.cameras = predicted_cameras(outputs.file, truth_outputs_);
    if (truth_) model.truth = truth_scores(score(outputs, c.name), &reference_errors_);
    maps_->add(c.name, outputs);
    for (const std::string& note : model.notes) console_.warn(c.name + ": " + note);
    report_.models.push_back(std::move(model));
    throw_if_interrupted();
  }

  void run_progressively() {
    check_reference_holds(options_.limits, report_.reference);
    const auto candidate = [&](const Trial& trial) {
      return candidate_of(options_.candidates.at(0), trial, options_.int4_group_size);
    };
    Progressive& found = report_.progressive.emplace(
        go_progressive(options_.limits, report_.reference, [&](const Trial& trial) -> const ModelResult& {
          run_candidate(candidate(trial));
          return report_.models.back();
        }));
    if (!found.last.name.empty()) {
      const Candidate last = candidate({"progressive", found.last.keep_float, found.last.int4});
      found.config = Json::parse(last.config.to_json());
    }
    // Pictures of the first step and of where it ended are enough.
    maps_->keep({found.steps[0].model, found.last.name});
  }

  const RunSettings& options_;
  Console& console_;
  UnfinishedRun& unfinished_;
  TempFolder temp_;
  ImageFile images_;
  ModelRuns runs_;
  EvalReport& report_;
  std::optional<TruthStore> truth_;
  TruthOutputs truth_outputs_;
  TruthErrors reference_errors_;
  std::optional<Outputs> reference_;
  std::optional<ReportMaps> maps_;
};

}  // namespace

void evaluate(const RunSettings& options, Console& console, UnfinishedRun& unfinished, EvalReport& report) {
  Evaluation evaluation(options, console, unfinished, report);
  try {
    evaluation.run();
  } catch (const Interrupted&) {
    if (!report.models.empty()) evaluation.report_interruption();
    throw;
  }
}

}  // namespace vqt
