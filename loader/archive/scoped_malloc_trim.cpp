#include "vqt/scoped_malloc_trim.h"

#include <malloc.h>

namespace vqt {
namespace {
constexpr int kOwnPages = 1 << 20;    // bytes from which a block gets pages of its own
constexpr int kGlibcMost = 32 << 20;  // where glibc's own rule would end up
}  // namespace

#ifdef __GLIBC__
ScopedMallocTrim::ScopedMallocTrim() { ::mallopt(M_MMAP_THRESHOLD, kOwnPages); }
ScopedMallocTrim::~ScopedMallocTrim() { ::mallopt(M_MMAP_THRESHOLD, kGlibcMost); }
#else
ScopedMallocTrim::ScopedMallocTrim() { (void)kOwnPages; }
ScopedMallocTrim::~ScopedMallocTrim() { (void)kGlibcMost; }
#endif

}  // namespace vqt
