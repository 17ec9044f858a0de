#include "loader/archive/block_cache.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>

namespace vqt {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kHugePage = size_t{2} << 20;

size_t round_up(size_t value, size_t unit) { return (value + unit - 1) / unit * unit; }

// Huge pages are 500 times fewer to fault in. The system uses them only where a whole one fits.
void* map(size_t bytes) {
  const size_t spare = bytes < kHugePage ? 0 : kHugePage;
  void* mapped = ::mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) return nullptr;
  if (spare == 0) return mapped;
  char* const start = static_cast<char*>(mapped);
  const size_t before =
      round_up(reinterpret_cast<uintptr_t>(start), kHugePage) - reinterpret_cast<uintptr_t>(start);
  if (before > 0) ::munmap(start, before);
  if (before < spare) ::munmap(start + before + bytes, spare - before);
  ::madvise(start + before, bytes, MADV_HUGEPAGE);  // where the system knows no huge pages it fails: no harm
  return start + before;
}

}  // namespace

void* BlockCache::allocate(size_t bytes) {
  if (bytes > PTRDIFF_MAX) return nullptr;  // of a negative number
  const std::lock_guard<std::mutex> lock(mutex_);
  bytes = round_up(bytes, kPage);
  if (void* kept = reuse(bytes)) return kept;
  make_room(bytes);
  void* const block = map(bytes);
  if (block == nullptr) return nullptr;
  in_use_[block] = bytes;
  used_ += bytes;
  most_used_ = std::max(most_used_, used_);
  return block;
}

bool BlockCache::free(void* block) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = in_use_.find(block);
  if (found == in_use_.end()) return false;
  kept_.push_back({block, found->second});
  kept_bytes_ += found->second;
  used_ -= found->second;
  in_use_.erase(found);
  return true;
}

// The smallest that is large enough, of those the one freed last: parts of it may still be in a CPU cache.
void* BlockCache::reuse(size_t bytes) {
  auto best = kept_.end();
  for (auto block = kept_.begin(); block != kept_.end(); ++block) {
    const bool fits = block->bytes >= bytes && block->bytes <= bytes + bytes / 8;
    if (fits && (best == kept_.end() || block->bytes <= best->bytes)) best = block;
  }
  if (best == kept_.end()) return nullptr;
  const Block found = *best;
  kept_.erase(best);
  kept_bytes_ -= found.bytes;
  used_ += found.bytes;
  most_used_ = std::max(most_used_, used_);
  in_use_[found.begin] = found.bytes;
  return found.begin;
}

void BlockCache::make_room(size_t bytes) {
  const size_t most = std::max(most_used_, used_ + bytes);
  auto last = kept_.begin();
  for (; last != kept_.end() && used_ + bytes + kept_bytes_ > most; ++last) {
    ::munmap(last->begin, last->bytes);
    kept_bytes_ -= last->bytes;
  }
  kept_.erase(kept_.begin(), last);
}

size_t BlockCache::used() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return used_;
}

size_t BlockCache::held() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return used_ + kept_bytes_;
}

}  // namespace vqt
