// Memory of large blocks: mapped from the system, and kept for the next block of about the size. Torch-free.
#pragma once

#include <cstddef>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace vqt {

// A forward pass allocates the same sizes again and again. A heap is left with holes between blocks that stay;
// blocks that go back to the system each time have their pages faulted in and cleared again, which is up to half
// of a small model's time. This keeps freed blocks, but never more than the process needed at once before:
// held() is at most the largest sum of blocks in use so far. Thread-safe.
class BlockCache {
 public:
  // At a multiple of 4096, undefined content; null where the system has no memory. bytes > 0.
  void* allocate(size_t bytes);
  // False where it isn't a block in use of this cache.
  bool free(void* block);
  // Bytes of blocks in use, and of those and the kept ones.
  size_t used() const;
  size_t held() const;

 private:
  struct Block {
    void* begin;
    size_t bytes;
  };
  void* reuse(size_t bytes);     // a kept block, or null
  void make_room(size_t bytes);  // for a new block: kept ones go back to the system, the oldest first
  mutable std::mutex mutex_;
  std::unordered_map<void*, size_t> in_use_;  // sizes
  std::vector<Block> kept_;                   // in the order in which they were freed
  size_t used_ = 0, kept_bytes_ = 0, most_used_ = 0;
};

}  // namespace vqt
