// A copy of a module in which every instance has a ClassType of its own.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace vqt {

enum class Buffers { kCopy, kShare };

// Modules of one Python class share one ClassType, with its attributes and method graphs: an edit for one
// layer would change all of them. The copy has a type per instance. Its parameters share their storage with
// the original (a model may fill half the memory) and do not require grad. Its buffers are copied, so that
// running it does not change the original; Buffers::kShare shares them. An instance with two names stays one
// instance. The copy is in eval mode.
torch::jit::Module clone_with_own_types(const torch::jit::Module& module, Buffers buffers = Buffers::kCopy);

}  // namespace vqt
