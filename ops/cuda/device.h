// Everything that a kernel asks of a GPU, one function each. nvcc makes PTX of it (device_ptx.h), any other compiler calls of
// a simulator (tests/ops/cuda/simulator): kernels are plain C++ templates, which run, and are tested, on a CPU too. What other
// threads see, a kernel reads and writes by these functions alone: the simulator checks what it is told of.
//
// Fragments of mma and wgmma: PTX ISA, "Matrix Fragments for mma.m16n8k32" and "Register Fragments and Shared Memory Matrix
// Layouts" of wgmma, which also defines the swizzle and the descriptors.
#pragma once

#include <cstdint>
#include <cstring>

#ifdef __CUDACC__
#include "cuda/device_ptx.h"
#else
#include "tests/ops/cuda/simulator/device.h"
#endif

namespace vqt::cuda {

VQT_DEVICE bool finite(float a) { return (bits(a) & 0x7f800000u) != 0x7f800000u; }
VQT_DEVICE float nan() { return from_bits(0x7fc00000u); }

// float32 to bfloat16, ties to even; a NaN stays one.
VQT_DEVICE uint32_t bfloat16_bits(float a) {
  const uint32_t b = bits(a);
  if ((b & 0x7fffffffu) > 0x7f800000u) return b >> 16 | 0x40u;
  return (b + 0x7fffu + (b >> 16 & 1u)) >> 16;
}
VQT_DEVICE float from_bfloat16(uint32_t half) { return from_bits(half << 16); }

// Descriptor of a wgmma operand with k inside: rows of 128 bytes, swizzled; groups of 8 rows are 1024 bytes apart.
VQT_DEVICE uint64_t wgmma_operand(const void* shared) {
  constexpr uint64_t kLeading = 1, kGroups = 1024 >> 4, kSwizzle128 = 1;
  return static_cast<uint64_t>((shared_address(shared) & 0x3ffffu) >> 4) | kLeading << 16 | kGroups << 32 |
         kSwizzle128 << 62;
}

}  // namespace vqt::cuda
