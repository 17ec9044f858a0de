// Working memory cut into arrays. Internal linkage: every instruction set has its own copy.
#pragma once

#include <cstddef>
#include <cstdint>

namespace vqt::cpu {
namespace {

// Cuts memory into arrays at multiples of 64 bytes. From null it only counts.
class Arrays {
 public:
  explicit Arrays(const std::byte* memory) : memory_(const_cast<std::byte*>(memory)) {}

  template <class T>
  T* take(int64_t count) {
    std::byte* begin = memory_ == nullptr ? nullptr : memory_ + bytes_;
    bytes_ += (count * static_cast<int64_t>(sizeof(T)) + 63) / 64 * 64;
    return reinterpret_cast<T*>(begin);
  }
  int64_t bytes() const { return bytes_; }

 private:
  std::byte* memory_;
  int64_t bytes_ = 0;
};

}  // namespace
}  // namespace vqt::cpu
