// Peak memory of this process. Torch-free.
#pragma once

#include <cstdint>

namespace vqt {

// The largest resident size that this process has had, in bytes. Not getrusage's ru_maxrss, which begins with
// the size of the process that forked.
int64_t peak_memory_bytes();

}  // namespace vqt
