#pragma once

#include <torch/csrc/jit/api/module.h>

namespace vqt {

// Throws Error for a model that vqt or another tool quantized or laid out.
void refuse_if_quantized(const torch::jit::Module& model);
// Throws Error for one that torch.ao.quantization quantized, or torch.jit.optimize_for_inference laid out for oneDNN.
void refuse_other_tools(const torch::jit::Module& model);

}  // namespace vqt
