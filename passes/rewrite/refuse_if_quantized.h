#pragma once

#include <torch/csrc/jit/api/module.h>

namespace vqt {

void refuse_if_quantized(const torch::jit::Module& model);  // throws Error

}  // namespace vqt
