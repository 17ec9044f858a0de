// Cache sizes, from which the kernels derive the sizes of their blocks (linear_block.h). No integer result
// depends on them.
#pragma once

#include <cstdint>

namespace vqt::cpu {

struct CacheSizes {
  int64_t l2 = int64_t{1} << 20;   // bytes per core
  int64_t l3 = int64_t{16} << 20;  // bytes of the whole cache
};

// This machine's, read once: VQT_L2_BYTES and VQT_L3_BYTES where they are set, else what the system reports,
// else the defaults above. Throws std::runtime_error where a variable is not a whole number of 64 KB or more.
CacheSizes cache_sizes();

// The same from the texts of the two variables (null or "": not set) and the system's answers (0
// or less: unknown).
CacheSizes cache_sizes_from(const char* l2, const char* l3, int64_t system_l2, int64_t system_l3);

// Overrides cache_sizes() until reset_cache_sizes_for_testing().
void set_cache_sizes_for_testing(const CacheSizes& sizes);
void reset_cache_sizes_for_testing();

}  // namespace vqt::cpu
