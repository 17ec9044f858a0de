#include "eval/runs/packed_folder.h"

#include <ATen/ops/scalar_tensor.h>
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <stdexcept>

#include "eval/runs/forwards_file.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr const char* kSqnr = "sqnr_db";

std::string path_of(const std::string& folder, const std::string& key) {
  return fmt::format("{}/{:016x}", folder, std::hash<std::string>()(key));
}

std::optional<QuantizedWeight> load(const std::string& path, const std::string& key) {
  if (!fs::exists(path)) return {};
  try {
    const ForwardsFile file(path);
    const ForwardOutputs& tensors = file.forwards().front();
    const ForwardOutputs::Tensor *packed = tensors.find(key), *sqnr = tensors.find(kSqnr);
    if (!packed || !sqnr) return {};  // another key's
    return QuantizedWeight{file.read(*packed), *file.read(*sqnr).const_data_ptr<double>()};
  } catch (const std::runtime_error&) {
    return {};
  }
}

void save(const std::string& path, const std::string& key, const QuantizedWeight& weight) {
  const std::string half = path + ".part";
  try {
    ForwardsWriter file(half);
    file.append({{key, weight.packed}, {kSqnr, at::scalar_tensor(weight.sqnr_db, at::kDouble)}}, 0, 1);
    file.finish();
    fs::rename(half, path);
  } catch (const std::runtime_error&) {
    std::error_code ignored;
    fs::remove(half, ignored);
  }
}

}  // namespace

PackedCache packed_folder(const std::string& folder, std::vector<QuantizationConfig> later) {
  fs::create_directories(folder);
  PackedCache cache;
  cache.later = std::move(later);
  cache.load = [folder](const std::string& key, bool again) {
    const std::string path = path_of(folder, key);
    auto weight = load(path, key);
    if (!again) fs::remove(path);
    return weight;
  };
  cache.save = [folder](const std::string& key, const QuantizedWeight& weight) {
    save(path_of(folder, key), key, weight);
  };
  return cache;
}

}  // namespace vqt
