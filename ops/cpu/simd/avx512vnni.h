// The instructions of both AVX512-VNNI linears. For files named *_avx512vnni.cpp only: the functions have
// internal linkage, so that no other file's copy of them can end up with these instructions.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace vqt::cpu {
namespace {

// acc += x (u8) * w (s8), 4 values of k per 32-bit lane.
inline void dot4(__m512i& acc, __m512i x, __m512i w) {
  asm volatile("vpdpbusd %2, %1, %0" : "+v"(acc) : "v"(x), "v"(w));
}

// 16 columns of 4 values of k. Not an intrinsic: g++ 12 would load them again for every row.
inline __m512i load_panel(const int8_t* w) {
  __m512i v;
  asm volatile("vmovdqu64 %1, %0" : "=v"(v) : "m"(*reinterpret_cast<const int8_t(*)[64]>(w)));
  return v;
}

// The 4 bytes at x in every lane.
inline __m512i broadcast4(const uint8_t* x) {
  __m512i v;
  asm("vpbroadcastd %1, %0" : "=v"(v) : "m"(*reinterpret_cast<const uint8_t(*)[4]>(x)));
  return v;
}

}  // namespace
}  // namespace vqt::cpu
