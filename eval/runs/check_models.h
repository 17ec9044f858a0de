// What can be said about the models of a run before one of them is run.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <string>

#include "eval/results/run_settings.h"

namespace vqt {

// Reads their structure, not their weights. Throws Error: the reference is quantized, a forward does not take the
// images alone, a model is of another architecture than the reference; UsageError: a config does not fit it.
void check_models(const RunSettings& settings);

// How the architecture of a model differs from the reference's, in words; empty: not. A quantized model has no layer
// that is not the reference's, layers of one name have one shape, and at most 10 % are missing. Of other models
// parameters of one name have one shape, and 60 % of the names are in both: the rest may have been fused or renamed.
// A frozen model has no names and is not compared.
std::string other_architecture(const torch::jit::Module& model, const torch::jit::Module& reference);

}  // namespace vqt
