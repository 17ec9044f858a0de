// Outputs of models: reading them, checking that they are the same set, their errors against the reference.
#pragma once

#include <string>
#include <vector>

#include "eval/results/model_result.h"
#include "eval/runs/join_outputs.h"
#include "eval/runs/outputs_file.h"
#include "loader/images/image_options.h"

namespace vqt {

// A model's outputs and how they are read.
struct Outputs {
  OutputsFile file;
  std::vector<JoinedOutput> joined;
  Outputs(const std::string& path, InputLayout layout)
      : file(path), joined(join_outputs(file.passes(), layout == InputLayout::kBshw ? 1 : 0)) {}
};

std::string names_of(const std::vector<JoinedOutput>& outputs);

// The reference's: shapes and ranges.
std::vector<OutputInfo> describe_outputs(const Outputs& outputs);

// Every output into model.outputs; NaN and Inf into its notes. Throws Error where the two do not return
// the same outputs.
void compare_outputs(const Outputs& reference, const Outputs& got, ModelResult& model);

}  // namespace vqt
