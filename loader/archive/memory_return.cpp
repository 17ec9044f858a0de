#include "vqt/memory_return.h"

#include <malloc.h>

namespace vqt {
namespace {
constexpr int kOwnPages = 1 << 20;    // bytes from which a block gets pages of its own
constexpr int kGlibcMost = 32 << 20;  // where glibc's own rule would end up
}  // namespace

#ifdef __GLIBC__
MemoryReturn::MemoryReturn() { ::mallopt(M_MMAP_THRESHOLD, kOwnPages); }
MemoryReturn::~MemoryReturn() { ::mallopt(M_MMAP_THRESHOLD, kGlibcMost); }
#else
MemoryReturn::MemoryReturn() { (void)kOwnPages; }
MemoryReturn::~MemoryReturn() { (void)kGlibcMost; }
#endif

}  // namespace vqt
