// ops/cuda/device.h on the simulator; device_ptx.h says what each function does.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "tests/ops/cuda/simulator/calls.h"

#define VQT_KERNEL
#define VQT_DEVICE inline
#define VQT_HOST_DEVICE inline
#define VQT_BOUNDS(threads, blocks)
#define VQT_UNROLL

namespace vqt::cuda {

struct alignas(16) Bytes16 {
  uint32_t v[4];
};
struct alignas(8) Bytes8 {
  uint32_t v[2];
};

// The tests are compiled without contraction.
inline float mul(float a, float b) { return a * b; }
inline float add(float a, float b) { return a + b; }
inline float fma(float a, float b, float c) { return std::fma(a, b, c); }
inline float div(float a, float b) { return a / b; }
inline int32_t round_half_even(float a) { return static_cast<int32_t>(std::nearbyint(a)); }
inline float to_float(int32_t a) { return static_cast<float>(a); }
inline uint32_t bits(float a) {
  uint32_t b;
  std::memcpy(&b, &a, sizeof b);
  return b;
}
inline float from_bits(uint32_t a) {
  float b;
  std::memcpy(&b, &a, sizeof b);
  return b;
}
uint32_t bfloat16_bits(float a);
inline uint32_t bfloat16_pair(float low, float high) {
  return bfloat16_bits(low) | bfloat16_bits(high) << 16;
}

inline int thread_index() { return simulator::thread_index(); }
inline int block_index() { return simulator::block_index(); }
inline int grid_size() { return simulator::grid_size(); }
inline char* shared_memory() { return simulator::shared_memory(); }
inline uint32_t shared_address(const void* shared) {
  return static_cast<uint32_t>(static_cast<const char*>(shared) - shared_memory());
}

inline void sync_block() { simulator::sync_block(); }
inline void sync_warp() {
  simulator::warp_collective(nullptr, 0, nullptr, 0, [](const char*, char*) {});
}

template <class T>
T load(const T* global) {
  simulator::access_global(global, sizeof(T), false);
  return *global;
}
template <class T>
void store(T* global, T v) {
  simulator::access_global(global, sizeof(T), true);
  *global = v;
}
template <class T>
T load_shared(const T* shared) {
  simulator::access_shared(shared, sizeof(T), false);
  return *shared;
}
template <class T>
void store_shared(T* shared, T v) {
  simulator::access_shared(shared, sizeof(T), true);
  *shared = v;
}

inline void copy_async(void* shared, const void* global) { simulator::copy_async(shared, global, 16); }
inline void copy_async_commit() { simulator::copy_async_commit(); }
template <int pending>
void copy_async_wait() {
  simulator::copy_async_wait(pending);
}

inline void load_matrices(uint32_t (&r)[4], const void* row) {
  simulator::warp_collective(&row, sizeof row, r, sizeof r, [](const char* in, char* out) {
    const void* rows[32];
    std::memcpy(rows, in, sizeof rows);
    simulator::access_rows(rows);
    for (int lane = 0; lane < 32; ++lane) {
      for (int matrix = 0; matrix < 4; ++matrix) {
        const char* from = static_cast<const char*>(rows[matrix * 8 + lane / 4]) + lane % 4 * 4;
        std::memcpy(out + lane * sizeof r + matrix * 4, from, 4);
      }
    }
  });
}

// d += a b, 16 x 8 with 32 k's.
template <class Left, class Right>
void mma(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  struct Lane {
    int32_t d[4];
    uint32_t a[4], b[2];
  };
  const Lane mine = {{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b0, b1}};
  simulator::warp_collective(&mine, sizeof mine, d, sizeof d, [](const char* in, char* out) {
    Left left[16][32];
    Right right[8][32];
    Lane lanes[32];
    std::memcpy(lanes, in, sizeof lanes);
    for (int i = 0; i < 32; ++i) {
      const int row = i / 4, k = i % 4 * 4;
      for (int j = 0; j < 4; ++j) std::memcpy(&left[row + j % 2 * 8][k + j / 2 * 16], &lanes[i].a[j], 4);
      for (int j = 0; j < 2; ++j) std::memcpy(&right[row][k + j * 16], &lanes[i].b[j], 4);
    }
    for (int i = 0; i < 32; ++i) {
      for (int j = 0; j < 4; ++j) {
        const int row = i / 4 + j / 2 * 8, column = i % 4 * 2 + j % 2;
        for (int k = 0; k < 32; ++k) lanes[i].d[j] += left[row][k] * right[column][k];
      }
      std::memcpy(out + i * sizeof d, lanes[i].d, sizeof d);
    }
    simulator::counters().products += 16 * 8 * 32;
  });
}
inline void mma_u8s8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  mma<uint8_t, int8_t>(d, a, b0, b1);
}
inline void mma_s8u8(int32_t (&d)[4], const uint32_t (&a)[4], uint32_t b0, uint32_t b1) {
  mma<int8_t, uint8_t>(d, a, b0, b1);
}

inline void barrier_init(uint64_t* b, uint32_t count) { simulator::barrier_init(b, count); }
inline void barrier_init_done() {}
inline void barrier_arrive(uint64_t* b) { simulator::barrier_arrive(b); }
inline void barrier_expect(uint64_t* b, uint32_t bytes) { simulator::barrier_expect(b, bytes); }
inline void barrier_wait(uint64_t* b, uint32_t parity) { simulator::barrier_wait(b, parity); }
inline void bulk_copy(void* shared, const void* global, uint32_t bytes, uint64_t* barrier) {
  simulator::bulk_copy(shared, global, bytes, barrier);
}
inline void wgmma_fence() { sync_warp(); }
inline void wgmma_commit() { simulator::wgmma_commit(); }
template <int pending>
void wgmma_wait() {
  simulator::wgmma_wait(pending);
}
template <int registers>
void grow_registers() {}
template <int registers>
void shrink_registers() {}
template <int count>
void wgmma_u8s8(int32_t (&d)[count], uint64_t a, uint64_t b, bool accumulate) {
  simulator::wgmma_u8s8(d, count * 2, a, b, accumulate);
}

}  // namespace vqt::cuda
