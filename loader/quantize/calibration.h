// Where --activation static takes its inputs from.
#pragma once

#include <string>

#include "vqt/quantize.h"

namespace vqt::cli {

// The images of a folder, one per forward pass, prepared as VGGT's are; model is asked once whether it takes them as
// [1, 1, 3, H, W] or [1, 3, H, W]. Throws Error.
InputSource images_source(const std::string& folder, int64_t samples, const torch::jit::Module& model);

// The same arguments once.
InputSource once(std::vector<c10::IValue> arguments);

}  // namespace vqt::cli
