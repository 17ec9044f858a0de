// The opposite of clone_with_own_types: instances whose types say the same get one type.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace vqt {

// A type per instance repeats the code of equal layers in the file, and torch::jit::load compiles each copy. This
// gives instances one ClassType whose original class, attributes, constants, methods and hooks are equal, up to
// the names of values. Edits in place; module: a result of clone_with_own_types that has not run yet.
void share_types(const torch::jit::Module& module);

}  // namespace vqt
