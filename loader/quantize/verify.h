// --verify: the float model's outputs against the quantized one's.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>
#include <vector>

#include "vqt/outputs.h"

namespace vqt::cli {

// A random float32 [1, 2, 3, 392, 518] in [0, 1) of a fixed seed. Throws Error where forward takes more than one
// argument.
std::vector<c10::IValue> random_inputs(const torch::jit::Module& model);
// The message that asks for --inputs.
std::string needs_inputs(const std::string& why);

// forward's outputs as a flat list. Throws Error: the first line of the cause.
NamedTensors run_forward(torch::jit::Module& model, const std::vector<c10::IValue>& arguments);

// One line per output, then nothing or what is wrong.
struct Verdict {
  std::string table;
  std::vector<std::string> failures;  // empty: passed
};
Verdict judge(const std::vector<Difference>& differences, double min_cosine);

}  // namespace vqt::cli
