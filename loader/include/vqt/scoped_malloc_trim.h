// While one exists, the memory of large tensors is returned to the system as soon as
// they are freed. Torch-free.
#pragma once

namespace vqt {

// glibc raises the size from which blocks get pages of their own as such blocks are freed. Packed weights are
// then placed between temporaries in the heap, which cannot shrink. Quantizing VGGT-1B peaks at 5.4 GB with
// this, at 5.7 to 9.0 GB without. For loading and replacing weights; forward passes are faster without.
// Does nothing where the environment sets malloc (vqt/malloc_settings.h).
class ScopedMallocTrim {
 public:
  ScopedMallocTrim();
  ~ScopedMallocTrim();
  ScopedMallocTrim(const ScopedMallocTrim&) = delete;
  ScopedMallocTrim& operator=(const ScopedMallocTrim&) = delete;
};

}  // namespace vqt
