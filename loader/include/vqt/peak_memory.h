// Memory of this process. Torch-free.
#pragma once

#include <cstdint>

namespace vqt {

// The largest resident size that this process has had, in bytes. Not getrusage's ru_maxrss, which begins with
// the size of the process that forked.
int64_t peak_memory_bytes();

// The resident size now, in bytes.
int64_t resident_memory_bytes();

// From now on peak_memory_bytes says the largest size since this call. False where the kernel does not allow it.
bool reset_peak_memory();

}  // namespace vqt
