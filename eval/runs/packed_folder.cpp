#include "eval/runs/packed_folder.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <filesystem>
#include <functional>
#include <stdexcept>

#include "loader/archive/tensor_file.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr const char *kPacked = "packed", *kSqnr = "sqnr_db", *kKey = "key";

std::string path_of(const std::string& folder, const std::string& key) {
  return fmt::format("{}/{:016x}", folder, std::hash<std::string>()(key));
}

std::optional<QuantizedWeight> load(const std::string& path, const std::string& key) {
  if (!fs::exists(path)) return {};
  try {
    const TensorFile file(path);
    const TensorEntry *packed = file.find(kPacked), *sqnr = file.find(kSqnr);
    if (file.metadata(kKey) != key || !packed || !sqnr || sqnr->bytes() != sizeof(double)) return {};
    QuantizedWeight weight{at::empty(packed->shape, at::kByte), 0};
    if (packed->dtype != "U8") return {};
    file.read(*packed, weight.packed.data_ptr());
    file.read(*sqnr, &weight.sqnr_db);
    return weight;
  } catch (const std::runtime_error&) {
    return {};
  }
}

void save(const std::string& path, const std::string& key, const QuantizedWeight& weight) {
  const std::string half = path + ".part";
  try {
    TensorFileWriter file(half);
    const at::Tensor packed = weight.packed.contiguous();
    file.append(kPacked, "U8", packed.sizes().vec(), packed.const_data_ptr());
    file.append(kSqnr, "F64", {}, &weight.sqnr_db);
    file.finish({{kKey, key}});
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
