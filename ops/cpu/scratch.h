// Working memory of a kernel: one buffer per thread, which grows to the largest request and stays.
#pragma once

#include <cstddef>

namespace vqt::cpu {

// At least `bytes` bytes at a multiple of 64, undefined content, valid until this thread's next call.
// Not inline: files compiled for one instruction set must not carry library code that others may link to.
void* scratch(size_t bytes);

}  // namespace vqt::cpu
