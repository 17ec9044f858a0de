// A quantized model to time: right in all sizes, made in seconds.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include "vqt/config.h"

namespace vqt {

// quantize, but of layers of one shape and scheme only the first is packed, and all have its weight. Its forward pass
// takes what the real one takes. input: of forward, which activation static is calibrated on. Throws UsageError (the
// config does not fit the model), Error.
torch::jit::Module with_shared_weights(const torch::jit::Module& model, const QuantizationConfig& config,
                                       const at::Tensor& input);

}  // namespace vqt
