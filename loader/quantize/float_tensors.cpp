#include "loader/quantize/float_tensors.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <vector>

#include "loader/cli/units.h"

namespace vqt::cli {
namespace {

struct Named {
  std::string name;
  int64_t bytes;
};

std::vector<Named> float_tensors(const torch::jit::Module& module) {
  std::vector<Named> found;
  std::set<const void*> seen;
  const auto take = [&](const auto& tensors) {
    for (const auto& [name, tensor] : tensors) {
      if (!tensor.defined() || !tensor.is_floating_point() || tensor.numel() == 0) continue;
      if (seen.insert(tensor.storage().unsafeGetStorageImpl()).second)
        found.push_back({name, static_cast<int64_t>(tensor.storage().nbytes())});
    }
  };
  take(module.named_parameters());
  take(module.named_buffers());
  std::stable_sort(found.begin(), found.end(),
                   [](const Named& a, const Named& b) { return a.bytes > b.bytes; });
  return found;
}

}  // namespace

std::string float_tensors_line(const torch::jit::Module& module) {
  constexpr size_t kNamed = 2;
  const std::vector<Named> tensors = float_tensors(module);
  if (tensors.empty()) return "";
  int64_t bytes = 0;
  for (const Named& tensor : tensors) bytes += tensor.bytes;
  std::string names;
  for (size_t i = 0; i < std::min(kNamed, tensors.size()); ++i)
    names += fmt::format("{}{} {}", i == 0 ? "" : ", ", tensors[i].name, bytes_text(tensors[i].bytes));
  if (tensors.size() > kNamed) names += fmt::format(", {} more", tensors.size() - kNamed);
  return fmt::format("  of it in floating point: {} ({})\n", bytes_text(bytes), names);
}

}  // namespace vqt::cli
