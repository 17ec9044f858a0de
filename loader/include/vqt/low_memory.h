// Less memory for forward passes on the CPU.
#pragma once

#include <string>

namespace vqt {

// From now on, tensors of this process of 1 MiB and more have pages of their own, which are kept for the next
// tensor of about the size, never more than the largest sum of such tensors that was in use at once.
// Without it they lie on malloc's heap, between blocks that stay: a forward pass of VGGT-1B peaks at three times
// the memory. Costs no time. Replaces torch's CPU allocator for the whole process; tensors that exist stay where
// they are. Freed memory stays with the process, up to its own peak.
void low_memory();

// low_memory(), unless the environment says how memory is given: MALLOC_*, GLIBC_TUNABLES with glibc.malloc,
// THP_MEM_ALLOC_ENABLE. What vqt's programs do first.
void low_memory_unless_set();

// "vqt" where low_memory() was called, else "torch"; then the settings of the environment, if there are some:
// "torch, MALLOC_MMAP_THRESHOLD_=1048576".
std::string allocator_text();

}  // namespace vqt
