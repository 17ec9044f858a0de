#include "eval/runs/checkpoint.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <cstdlib>
#include <filesystem>

#include "eval/results/json_difference.h"
#include "eval/runs/environment.h"
#include "eval/runs/forwards_file.h"
#include "eval/runs/saved_reference.h"
#include "loader/cli/file_part.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

uint32_t checksum(const std::string& text) {
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

// Every byte is compared with its checksum. Throws where the file is no longer as it was written.
Json read_entry(const std::string& path) {
  const ForwardsFile forwards(path);
  const Json entry = forwards.about().at("entry");
  if (checksum(text_of(entry)) != forwards.about().at("crc32"))
    throw std::runtime_error(fmt::format("{}: damaged: what it says of itself has another checksum", path));
  for (const ForwardOutputs& f : forwards.forwards()) {
    for (const ForwardOutputs::Tensor& tensor : f.tensors) forwards.read(tensor);
  }
  return entry;
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
  key["device"] = options.device;
  key["warmup"] = options.warmup;
  key["runs"] = options.runs;
  for (const char* name : {"cpu", "cpu_flags", "threads", "torch", "vqt"}) key[name] = here.at(name);
  key["VQT_ISA"] = isa ? Json(isa) : Json();
  return key;
}

Checkpoint::Checkpoint(const std::string& output_dir, bool resume, Console& console)
    : folder_((fs::path(output_dir) / "unfinished").string()), resume_(resume), console_(console) {
  const bool there = fs::is_directory(folder_);
  of_before_ = there && !resume;
  if (of_before_) {
    console_.warn(fmt::format(
        "{}: an earlier run that was not finished left what it had done; --resume would go on from there. "
        "Without it that is replaced, as soon as the first model has been run",
        folder_));
  }
  if (resume && !there)
    console_.warn(fmt::format("--resume: {}: no such folder; this run starts anew", folder_));
}

std::string Checkpoint::file(const std::string& name) const {
  return fmt::format("{}/{}-{:08x}.fwd", folder_, file_part(name), checksum(name));
}

std::optional<FinishedModel> Checkpoint::take(const std::string& name, const Json& key) {
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

void Checkpoint::keep(const std::string& name, const Json& key, FinishedModel& model) {
  const std::string path = file(name);
  try {
    if (of_before_) fs::remove_all(folder_);
    of_before_ = false;
    fs::create_directories(folder_);
    const Json entry = {
        {"key", key}, {"quantized", nlohmann::json(model.quantized)}, {"run", nlohmann::json(model.run)}};
    save_forwards(ForwardsFile(model.forwards), {{"entry", entry}, {"crc32", checksum(text_of(entry))}},
                  path);
  } catch (const std::exception& e) {  // a full disk must not end a run that needs none of this
    console_.warn(fmt::format("{}: cannot be kept for --resume: {}", name, e.what()));
    return;
  }
  fs::remove(model.forwards);
  model.forwards = path;
  kept_.push_back(name);
}

FinishedModel Checkpoint::load_or_run(const std::string& name, const Json& key,
                                      const std::function<FinishedModel()>& run) {
  if (resume_) {
    if (std::optional<FinishedModel> kept = take(name, key)) {
      console_.note(fmt::format("{}: taken over from {}", name, folder_));
      taken_.push_back(name);
      return std::move(*kept);
    }
  }
  FinishedModel model = run();
  keep(name, key, model);
  return model;
}

std::string Checkpoint::resume_hint() const {
  if (kept_.empty() && taken_.empty()) return "";
  return fmt::format("what is done so far is in {}: the same command with --resume goes on", folder_);
}

void Checkpoint::remove() {
  std::error_code error;
  fs::remove_all(folder_, error);
  if (error) console_.warn(fmt::format("{}: cannot be removed: {}", folder_, error.message()));
}

}  // namespace vqt
