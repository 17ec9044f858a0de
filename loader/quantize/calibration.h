// Where --activation static takes its inputs from, and what to say of them afterwards.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "loader/quantize/options.h"
#include "vqt/quantize.h"

namespace vqt::cli {

struct Calibration {
  InputSource source;
  // What source has given so far, for Report::calibration: batches (forward passes), shapes of their tensors, files;
  // of images also folder and how they were prepared.
  std::function<std::string()> record;
  std::function<std::vector<std::string>()> notes;  // on those files, for the user
};

// The images of options.calibration, one per forward pass; where the command line does not name a layout, model is asked
// once whether it takes them as [1, 1, 3, H, W] or [1, 3, H, W]. Throws Error.
Calibration calibrate_on_images(const Options& options, int64_t samples, const torch::jit::Module& model);

// inputs[i]: forward's arguments from files[i]; the first `samples` of them.
Calibration calibrate_on_inputs(const std::vector<std::string>& files,
                                std::vector<std::vector<c10::IValue>> inputs, int64_t samples);

// One line of what record gives.
std::string calibration_line(const std::string& record);

// The same arguments once.
InputSource once(std::vector<c10::IValue> arguments);

}  // namespace vqt::cli
