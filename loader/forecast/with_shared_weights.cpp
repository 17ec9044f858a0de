#include "loader/forecast/with_shared_weights.h"

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "vqt/packed_cache.h"
#include "vqt/quantize.h"

namespace vqt {

torch::jit::Module with_shared_weights(const torch::jit::Module& model, const QuantizationConfig& config,
                                       const at::Tensor& input) {
  std::map<std::string, QuantizedWeight> packed;
  // A key begins with the layer's name; the rest says shape and scheme.
  const auto of_any_layer = [](const std::string& key) { return key.substr(key.find(' ') + 1); };
  PackedCache cache;
  cache.load = [&](const std::string& key, bool) -> std::optional<QuantizedWeight> {
    const auto found = packed.find(of_any_layer(key));
    if (found == packed.end()) return std::nullopt;
    return found->second;
  };
  cache.save = [&](const std::string& key, const QuantizedWeight& weight) {
    packed[of_any_layer(key)] = weight;
  };
  cache.later = {config};
  QuantizeOptions options;
  options.packed = &cache;
  options.calibration = [&, given = false](std::vector<c10::IValue>& arguments) mutable {
    arguments = {input};
    return !std::exchange(given, true);
  };
  Report unused;
  return quantize(model, config, unused, options);
}

}  // namespace vqt
