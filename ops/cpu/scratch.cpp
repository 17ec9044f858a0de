#include "cpu/scratch.h"

#include <cstdlib>
#include <new>

namespace vqt::cpu {
namespace {

struct Buffer {
  void* data = nullptr;
  size_t bytes = 0;
  ~Buffer() { std::free(data); }

  void* at_least(size_t wanted) {
    if (bytes < wanted) {
      const size_t rounded = (wanted + 4095) / 4096 * 4096;
      std::free(data);
      bytes = 0;
      data = std::aligned_alloc(64, rounded);
      if (data == nullptr) throw std::bad_alloc();
      bytes = rounded;
    }
    return data;
  }
};

}  // namespace

void* scratch(size_t bytes) {
  thread_local Buffer buffer;
  return buffer.at_least(bytes);
}

void* outer_scratch(size_t bytes) {
  thread_local Buffer buffer;
  return buffer.at_least(bytes);
}

}  // namespace vqt::cpu
