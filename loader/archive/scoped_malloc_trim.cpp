#include "vqt/scoped_malloc_trim.h"

#include <malloc.h>

#include "vqt/malloc_settings.h"

namespace vqt {
namespace {
constexpr int kOwnPages = 1 << 20;    // bytes from which a block gets pages of its own
constexpr int kGlibcMost = 32 << 20;  // where glibc's own rule would end up

void set_threshold(int bytes) {
#ifdef __GLIBC__
  if (malloc_settings().empty()) ::mallopt(M_MMAP_THRESHOLD, bytes);
#else
  (void)bytes;
#endif
}

}  // namespace

ScopedMallocTrim::ScopedMallocTrim() { set_threshold(kOwnPages); }
ScopedMallocTrim::~ScopedMallocTrim() { set_threshold(kGlibcMost); }

}  // namespace vqt
