// All fusions on a whole model.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "vqt/fusion_count.h"

namespace vqt {

// Runs the fusions with these names on the root's methods of a model whose linears are quantized. Returns how
// many of each one run of the model has, and why others were left. Without names the model does not change.
std::vector<FusionCount> fuse(const torch::jit::Module& model, const std::vector<std::string>& names);

}  // namespace vqt
