#include "eval/runs/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "eval/results/json_difference.h"
#include "eval/runs/environment.h"
#include "eval/runs/outputs_file.h"
#include "eval/runs/saved_reference.h"
#include "loader/cli/file_name.h"
#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

uint32_t checksum(const std::string& text) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

Json describe_library(const std::string& path) {
  const std::ifstream file(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << file.rdbuf();
  return {{"name", fs::path(path).filename().string()}, {"checksum", checksum(bytes.str())}};
}

// Compares every byte with its checksum. Throws if the file is not as it was written.
Json read_entry(const std::string& path) {
  const OutputsFile file(path);
  const Json entry = file.about().at("entry");
  if (checksum(text_of(entry)) != file.about().at("crc32"))
    throw Error(fmt::format("{}: damaged: its description has another checksum", path));
  for (const ForwardOutputs& f : file.passes()) {
    for (const ForwardOutputs::Tensor& tensor : f.tensors) file.read(tensor);
  }
  return entry;
}

// What the file is of, without a look at its tensors; unset where it cannot be read.
std::optional<Json> saved_key(const std::string& path) {
  if (!fs::exists(path)) return {};
  try {
    return OutputsFile(path).about().at("entry").at("key");
  } catch (const std::exception&) {
    return {};
  }
}

}  // namespace

Json fingerprint(const RunSettings& options, const ImageFile& pictures, const Candidate* candidate) {
  const Json here = describe_environment("");
  const char* isa = std::getenv("VQT_ISA");
  Json key = describe_reference(options, pictures);
  if (candidate && candidate->source == "model") {
    key["archive"] = describe_model(candidate->path);
  } else if (candidate) {
    key["config"] = Json::parse(candidate->config.to_json());
  }
  for (const std::string& library : options.libraries) key["libraries"].push_back(describe_library(library));
  key["device"] = options.device;
  key["warmup"] = options.warmup;
  key["runs"] = options.runs;
  for (const char* name : {"cpu", "cpu_flags", "threads", "allocator", "torch", "vqt"})
    key[name] = here.at(name);
  key["VQT_ISA"] = isa ? Json(isa) : Json();
  return key;
}

Checkpoint::Checkpoint(const std::string& output_dir, bool resume, cli::ProgressBar& console)
    : folder_((fs::path(output_dir) / "unfinished").string()), resume_(resume), console_(console) {
  const bool there = fs::is_directory(folder_);
  replaces_ = there && !resume && !fs::is_empty(folder_);
  if (resume && !there)
    console_.warn(fmt::format("--resume: {}: no such folder; this run starts from the beginning", folder_));
}

void Checkpoint::warn_before_replacing(const std::vector<std::pair<std::string, Json>>& models) const {
  const auto done = std::count_if(models.begin(), models.end(), [&](const auto& model) {
    const std::optional<Json> key = saved_key(file(model.first));
    return key && first_difference(*key, model.second).empty();
  });
  if (done == 0) {
    console_.note(
        fmt::format("{}: results of another run that was not finished; they are replaced once the first "
                    "model has been run",
                    folder_));
    return;
  }
  console_.warn(
      fmt::format("{}: results of an earlier run that was not finished; --resume continues it: {} of {} "
                  "models are done. Without --resume they are replaced once the first model has been run",
                  folder_, done, models.size()));
}

std::string Checkpoint::file(const std::string& name) const {
  return fmt::format("{}/{}-{:08x}.fwd", folder_, cli::sanitize_filename(name), checksum(name));
}

std::optional<FinishedModel> Checkpoint::load(const std::string& name, const Json& key) {
  const std::string path = file(name);
  if (!fs::exists(path)) return {};
  std::string why;
  try {
    const Json entry = read_entry(path);
    why = first_difference(entry.at("key"), key);
    if (why.empty()) {
      const nlohmann::json plain = entry;
      return FinishedModel{plain.at("quantized").get<JobResult>(), plain.at("run").get<JobResult>(), path};
    }
  } catch (const std::exception& e) {
    why = e.what();
  }
  console_.warn(fmt::format("{}: run again: {}", name, why));
  return {};
}

void Checkpoint::save(const std::string& name, const Json& key, FinishedModel& model) {
  const std::string path = file(name);
  try {
    if (replaces_) fs::remove_all(folder_);
    replaces_ = false;
    fs::create_directories(folder_);
    const Json entry = {
        {"key", key}, {"quantized", nlohmann::json(model.quantized)}, {"run", nlohmann::json(model.run)}};
    save_outputs(OutputsFile(model.outputs_file), {{"entry", entry}, {"crc32", checksum(text_of(entry))}},
                 path);
  } catch (const std::exception& e) {  // a full disk must not end a run that does not need this
    console_.warn(fmt::format("{}: cannot be saved for --resume: {}", name, e.what()));
    return;
  }
  fs::remove(model.outputs_file);
  model.outputs_file = path;
  saved_.push_back(name);
}

FinishedModel Checkpoint::load_or_run(const std::string& name, const Json& key,
                                      const std::function<FinishedModel()>& run) {
  if (resume_) {
    if (std::optional<FinishedModel> kept = load(name, key)) {
      console_.note(fmt::format("{}: loaded from {}", name, folder_));
      loaded_.push_back(name);
      return std::move(*kept);
    }
  }
  FinishedModel model = run();
  save(name, key, model);
  return model;
}

std::string Checkpoint::resume_hint(bool interrupted) const {
  if (saved_.empty() && loaded_.empty()) return "";
  return fmt::format("results so far are in {}: {}run the same command with --resume to continue", folder_,
                     interrupted ? "" : "once the error below is solved, ");
}

void Checkpoint::remove() {
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) console_.warn(fmt::format("{}: cannot be removed: {}", folder_, error.message()));
}

}  // namespace vqt
