#include "eval/runs/saved_reference.h"

#include <fmt/format.h>

#include <filesystem>
#include <stdexcept>

#include "eval/runs/job.h"
#include "vqt/archive.h"
#include "vqt/error.h"

namespace vqt {

Json describe_model(const std::string& path) {
  return {{"name", std::filesystem::path(path).filename().string()}, {"checksum", model_checksum(path)}};
}

Json describe_reference(const RunSettings& options, const ImageFile& pictures) {
  Json input = nlohmann::json(options.images);
  input["frames"] = options.frames > 0 ? std::min(options.frames, pictures.count()) : pictures.count();
  return {{"model", describe_model(options.reference)},
          {"input", input},
          {"pictures", {{"names", pictures.names}, {"checksum", pictures.crc32}}}};
}

Json cost_to_json(const Cost& c) {
  return {{"size_bytes", c.size_bytes},
          {"ms_per_image", c.ms_per_image},
          {"all_ms", c.all_ms},
          {"warmup", c.warmup},
          {"peak_memory_bytes", c.peak_memory_bytes},
          {"used_by_others", c.used_by_others}};
}

Cost cost_from_json(const Json& j) {
  return {j.at("size_bytes"), j.at("ms_per_image"),      j.at("all_ms").get<std::vector<double>>(),
          j.at("warmup"),     j.at("peak_memory_bytes"), j.value("used_by_others", 0.0)};
}

void check_same_reference(const Json& saved, const Json& expected, const std::string& path) {
  const auto refuse = [&](const std::string& what) {
    throw Error(fmt::format("{}: {}; run once with --save-reference to make it anew", path, what));
  };
  if (!saved.is_object() || !saved.contains("model") || !saved.contains("input") ||
      !saved.contains("pictures"))
    refuse("does not say what it is of");
  const Json &model = saved["model"], &wanted = expected["model"];
  if (model.at("checksum") != wanted.at("checksum")) {
    refuse(fmt::format("the outputs of another model, {}; the reference is {}", model.at("name").dump(),
                       wanted.at("name").dump()));
  }
  const Json &names = saved["pictures"].at("names"), &wanted_names = expected["pictures"].at("names");
  for (size_t i = 0; i < std::max(names.size(), wanted_names.size()); ++i) {
    const Json here = i < names.size() ? names[i] : Json(),
               there = i < wanted_names.size() ? wanted_names[i] : Json();
    if (here == there) continue;
    refuse(fmt::format("the outputs for other images: number {} of {} is {}; now it is {} of {}", i + 1,
                       names.size(), here.dump(), there.dump(), wanted_names.size()));
  }
  for (const auto& [key, value] : expected["input"].items()) {
    const Json before = saved["input"].value(key, Json());
    if (before != value)
      refuse(fmt::format("the outputs for other input: {} was {}, now it is {}", key, before.dump(),
                         value.dump()));
  }
  if (saved["pictures"].at("checksum") != expected["pictures"].at("checksum"))
    refuse("the outputs for other images: the names are the same, the pixels are not");
}

}  // namespace vqt
