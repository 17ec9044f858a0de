// A copy of a module in which every instance has a ClassType of its own.
#pragma once

#include <torch/csrc/jit/api/module.h>

namespace vqt {

enum class Buffers { kCopy, kShare };

// Siblings of one Python class share one ClassType, and with it their attributes and method graphs: an edit
// for one layer would reach all of them. Here each instance gets its own. Parameters share their storage with
// the original (a model may fill half the memory) and no longer require grad; buffers are copied, so that
// running the copy leaves the original alone, unless they are shared on request. An instance held under two
// names stays one instance. The copy is in eval mode.
torch::jit::Module clone_with_own_types(const torch::jit::Module& module, Buffers buffers = Buffers::kCopy);

}  // namespace vqt
