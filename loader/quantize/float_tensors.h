// What a quantized model still holds in floating point.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

namespace vqt::cli {

// "  of it in floating point: 1.2 MB (patch_embed.proj.weight 0.9 MB, norm.weight 2 kB, 23 more)\n": parameters and
// buffers of the module, each storage once, the largest first; "" where there is none.
std::string float_tensors_line(const torch::jit::Module& module);

}  // namespace vqt::cli
