#include "vqt/low_memory.h"

#include <c10/core/CPUAllocator.h>

#include <atomic>
#include <cstdlib>

#include "loader/archive/block_cache.h"
#include "vqt/malloc_settings.h"

namespace vqt {
namespace {

constexpr size_t kLarge = size_t{1} << 20;  // smaller blocks fill the holes of a heap well
constexpr uint8_t kAboveTorchs = 1;         // priority: torch's own allocator has 0
constexpr const char* kHugePages = "THP_MEM_ALLOC_ENABLE";

std::atomic<bool> on{false};

BlockCache& blocks() {
  static BlockCache* const cache = new BlockCache;  // never destroyed: tensors may outlive static objects
  return *cache;
}

// raw_deleter gets the small blocks too, which are torch's.
void free_block(void* data) {
  if (data == nullptr) return;
  if (!blocks().free(data)) return c10::GetDefaultCPUAllocator()->raw_deleter()(data);
  c10::profiledCPUMemoryReporter().Delete(data);
}

class Allocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    void* const data = bytes < kLarge ? nullptr : blocks().allocate(bytes);
    if (data == nullptr)  // small, or memory ran out: torch's error says how much was asked for
      return c10::GetDefaultCPUAllocator()->allocate(bytes);
    c10::profiledCPUMemoryReporter().New(data, bytes);
    return {data, data, &free_block, c10::Device(c10::kCPU)};
  }
  c10::DeleterFnPtr raw_deleter() const override { return &free_block; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }
};

}  // namespace

void low_memory() {
  if (!on.exchange(true)) c10::SetCPUAllocator(new Allocator, kAboveTorchs);  // torch owns it
}

void low_memory_unless_set() {
  if (malloc_settings().empty() && std::getenv(kHugePages) == nullptr) low_memory();
}

std::string allocator_text() {
  std::string text = on ? "vqt" : "torch";
  for (const std::string& setting : malloc_settings()) text += ", " + setting;
  if (const char* value = std::getenv(kHugePages)) text += std::string(", ") + kHugePages + "=" + value;
  return text;
}

}  // namespace vqt
