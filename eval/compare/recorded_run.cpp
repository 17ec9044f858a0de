#include "eval/compare/recorded_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "eval/compare/check_results.h"
#include "eval/results/eval_report.h"
#include "eval/runs/job.h"
#include "loader/cli/values.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

const std::set<std::string> kBesideCheck = {
    "check",      "tolerance", "load_library",   "reference",      "model",  "image_folder", "ground_truth",
    "output_dir", "resume",    "save_reference", "load_reference", "warmup", "runs",         "quiet"};

[[noreturn]] void refuse(const std::string& path, const std::string& expected, const std::string& got) {
  throw UsageError(fmt::format("--check: {}: expected {}, got {}", path, expected, got));
}

// The model given beside --check with this file name, else the recorded path.
std::string archive_path(const std::string& recorded, std::vector<Candidate>& given) {
  const auto name = [](const std::string& path) { return fs::path(path).filename(); };
  const auto found = std::find_if(given.begin(), given.end(),
                                  [&](const Candidate& c) { return name(c.path) == name(recorded); });
  if (found == given.end()) return recorded;
  const std::string path = found->path;
  given.erase(found);
  return path;
}

std::vector<Candidate> recorded_candidates(const Json& results, const RunSettings& flags) {
  std::vector<Candidate> candidates, given = flags.candidates;
  for (const Json& model : results.at("models")) {
    Candidate c{model.at("name"), model.at("source"), model.at("path"), {}};
    if (c.source == "model") {
      c.path = archive_path(c.path, given);
    } else {
      c.config = QuantizationConfig::from_json(model.at("config").dump(),
                                               fmt::format("{}: config of {}", flags.check, c.name));
    }
    candidates.push_back(std::move(c));
  }
  if (!given.empty()) {
    throw UsageError(fmt::format("--model: {}: expected the file name of a model that {} compares",
                                 given[0].path, flags.check));
  }
  return candidates;
}

}  // namespace

Json recorded_run(const RunSettings& o) {
  Json images = nlohmann::json(o.images);
  return {{"reference", o.reference},
          {"load_library", o.libraries},
          {"image_folder", o.image_folder},
          {"ground_truth", o.ground_truth},
          {"max_images", o.max_images < 0 ? Json() : Json(o.max_images)},
          {"frames", o.frames == 0 ? Json() : Json(o.frames)},
          {"images", images},
          {"device", o.device},
          {"warmup", o.warmup},
          {"runs", o.runs},
          {"depth_frames", o.depth_frames},
          {"cloud_points", o.cloud_points},
          {"cloud_confidence", o.cloud_confidence}};
}

Json read_results(const std::string& path) {
  const std::string expected = fmt::format("a results.json of version {}", kResultsVersion);
  if (!fs::is_regular_file(path))
    refuse(path, expected, fs::exists(path) ? "not a regular file" : "no such file");
  const Json results = Json::parse(std::ifstream(path), nullptr, false);
  if (results.is_discarded()) refuse(path, expected, "a file that is not JSON");
  if (!results.is_object() || !results.contains("version")) refuse(path, expected, "JSON without a version");
  if (results["version"] != kResultsVersion)
    refuse(path, expected, fmt::format("version {}", results["version"].dump()));
  if (!results.contains("run")) {
    const Json environment = results.value("environment", Json::object());
    refuse(path, "the field run, which says how to repeat it",
           fmt::format("none: written by vqt {}, which had no such field; run it again",
                       environment.is_object() ? environment.value("vqt", Json()).dump() : "?"));
  }
  if (results.contains("interrupted"))
    refuse(path, "a finished run", "an interrupted one; finish it with --resume");
  return results;
}

RunSettings repeated_run(const Json& results, const RunSettings& flags, const std::set<std::string>& given) {
  for (const std::string& name : given) {
    if (kBesideCheck.count(name) == 0)
      throw UsageError(fmt::format("{}: cannot be combined with --check: {} defines the run",
                                   cli::hyphens("--" + name), flags.check));
  }
  RunSettings o = flags;
  try {
    const Json& run = results.at("run");
    const auto take = [&](const char* name, auto& value) {
      if (given.count(name) == 0 && !run.at(name).is_null()) run.at(name).get_to(value);
    };
    take("reference", o.reference);
    if (run.contains("load_library")) take("load_library", o.libraries);  // older files have none
    take("image_folder", o.image_folder);
    take("ground_truth", o.ground_truth);
    take("max_images", o.max_images);
    take("frames", o.frames);
    take("device", o.device);
    take("warmup", o.warmup);
    take("runs", o.runs);
    take("depth_frames", o.depth_frames);
    take("cloud_points", o.cloud_points);
    take("cloud_confidence", o.cloud_confidence);
    o.images = nlohmann::json(run.at("images")).get<ImageOptions>();
    o.candidates = recorded_candidates(results, flags);
    check_results(results, results, 0);  // results that cannot be compared fail now, not after an hour
  } catch (const Json::exception& e) {
    refuse(flags.check, fmt::format("the fields of a results.json of version {}", kResultsVersion), e.what());
  }
  const fs::path folder = fs::path(flags.check).parent_path();
  if (given.count("output_dir") == 0) o.output_dir = (folder / "check").string();
  std::error_code ignored;
  if (fs::equivalent(o.output_dir, folder.empty() ? "." : folder, ignored)) {
    throw UsageError(fmt::format("--output-dir: {}: contains the results to check; expected another folder",
                                 o.output_dir));
  }
  return o;
}

}  // namespace vqt
