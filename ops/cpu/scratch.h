// Working memory of a kernel: buffers of a thread, each of which grows to the largest request and stays.
#pragma once

#include <cstddef>

namespace vqt::cpu {

// At least `bytes` bytes at a multiple of 64, undefined content, valid until this thread's next call.
// Not inline: files compiled for one instruction set must not carry library code that others may link to.
void* scratch(size_t bytes);

// The same, another buffer: for what calls kernels while it holds working memory of its own.
void* outer_scratch(size_t bytes);

}  // namespace vqt::cpu
