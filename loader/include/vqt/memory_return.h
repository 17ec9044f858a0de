// While one lives, memory of large tensors goes back to the system when they are freed. Torch-free.
#pragma once

namespace vqt {

// glibc raises the size from which blocks get pages of their own as such blocks are freed; packed weights
// then come to lie between temporaries in the heap, which cannot shrink. Quantizing VGGT-1B peaks at 5.4 GB
// with this, at 5.7 to 9.0 GB without. For loading and replacing weights; forwards run better without.
class MemoryReturn {
 public:
  MemoryReturn();
  ~MemoryReturn();
  MemoryReturn(const MemoryReturn&) = delete;
  MemoryReturn& operator=(const MemoryReturn&) = delete;
};

}  // namespace vqt
