// Kernels on a CPU, for tests: README.md says what is checked.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <stdexcept>
#include <vector>

namespace vqt::simulator {

// What a kernel did wrong; the message begins with block, warp and lane.
struct Fault : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Counters {
  uint64_t products = 0;                             // multiply-adds of tensor cores
  uint64_t shared_wavefronts = 0, shared_ideal = 0;  // of accesses of a warp; equal: no bank conflicts
  uint64_t global_sectors = 0, global_ideal = 0;     // of 32 bytes, likewise
};
Counters& counters();

// Memory that kernels may touch.
void add_buffer(const void* data, size_t bytes);
void remove_buffer(const void* data);

// Runs a kernel, as a function of nothing, for each thread. shared: bytes of a block. Throws Fault.
void simulate(int blocks, int threads, size_t shared, uint64_t seed, const std::function<void()>& kernel);

}  // namespace vqt::simulator

namespace vqt::cuda {

using simulator::counters;
using simulator::simulate;

inline void reset_counters() { counters() = {}; }

// Global memory, aligned as cudaMalloc does; at first no value that a test would take for a right one.
template <class T>
class Buffer {
 public:
  explicit Buffer(size_t count) : size_(count) {
    constexpr size_t kAlignment = 256;
    data_ = static_cast<T*>(std::aligned_alloc(kAlignment, (bytes() / kAlignment + 1) * kAlignment));
    std::memset(static_cast<void*>(data_), 0xcd, bytes());
    simulator::add_buffer(data_, bytes());
  }
  explicit Buffer(const std::vector<T>& values) : Buffer(values.size()) {
    std::memcpy(static_cast<void*>(data_), values.data(), bytes());
  }
  ~Buffer() {
    simulator::remove_buffer(data_);
    std::free(data_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  T* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  size_t bytes() const { return size_ * sizeof(T); }

  T* data_;
  size_t size_;
};

}  // namespace vqt::cuda
