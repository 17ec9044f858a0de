// How much memory this process can still have. Torch-free.
#pragma once

#include <cstdint>
#include <string>

namespace vqt {

// Bytes: the least of what the machine has free, swap included, and of what is left below the limits of this process's control
// groups (v1 and v2), caches that the kernel gives back included; kUnknownMemory where nothing says so. The arguments
// are for tests.
inline constexpr int64_t kUnknownMemory = INT64_MAX;
int64_t free_memory_bytes(const std::string& proc = "/proc", const std::string& cgroups = "/sys/fs/cgroup");

}  // namespace vqt
