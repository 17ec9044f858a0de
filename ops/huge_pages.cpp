#include "ops/huge_pages.h"

#include <sys/mman.h>

#include <cstdint>

namespace vqt {

void use_huge_pages(const at::Tensor& y) {
  constexpr uintptr_t kPage = uintptr_t{2} << 20;
  const uintptr_t data = reinterpret_cast<uintptr_t>(y.data_ptr());
  const uintptr_t begin = (data + kPage - 1) / kPage * kPage, end = (data + y.nbytes()) / kPage * kPage;
  if (begin + kPage < end)
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);  // advice: may fail
}

}  // namespace vqt
