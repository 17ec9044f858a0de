// Sizes of results for operators of torch that have no Meta kernel in C++ (in Python torch registers its own).
#pragma once

namespace vqt {

// Once for the process. Convolutions, attention and layer norm as the CPU's kernels allocate; every other operator
// with a kernel for the CPU and none for Meta by torch's shape functions.
void register_meta_kernels();

}  // namespace vqt
