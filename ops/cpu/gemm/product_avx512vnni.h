// The product of all AVX512-VNNI kernels: a tile of u8 rows times panels of s8 columns. For files named
// *_avx512vnni.cpp only (see avx512vnni.h).
//
//   x       [depth/4][kRows][4] u8            one pointer walks it
//   w       kPanels x [depth/4][16][4] s8     panel p begins at w + p * panel_stride
//   result  int32 [kRows][kPanels][16], in registers, handed to `finish`
//
// 12 rows x 2 panels are 24 accumulators + 2 weights + 1 broadcast = 27 of 32 registers. 4 values of k take
// 24 vpdpbusd and 14 loads: 12 cycles where two vpdpbusd and two loads start a cycle, 24 where one does, so
// that a third of the loads' slots is left for prefetches and a third of the front end's for the rest. They
// bring in 128 bytes of weights and 48 of x, at most 15 bytes a cycle: L2 can give that. A tile needs
// (latency of vpdpbusd) x (started in a cycle) = 10 accumulators to fill the pipes: 5 rows x 2. One or two rows
// wait for memory: with 8 panels it is read at 8 places at a time.
#pragma once

#include "cpu/simd/avx512vnni.h"

namespace vqt::cpu {
namespace {

constexpr int kTileRowsAvx512 = 12;

// What a product prefetches while it runs, a part with every step of 16 values of k.
struct Prefetch {
  const char* weights = nullptr;  // into L2: step_bytes with every step, a multiple of 64
  int64_t step_bytes = 0;
  bool once =
      false;  // this product alone uses its weights: they come into L1 a little ahead of it (OnceRead)
  // Two lines of each of `rows` rows of the result, so that its stores need not wait for memory, and of what
  // is read to make it (null: nothing): step_rows with every step. Strides in bytes.
  int64_t rows = 0, step_rows = 1;
  const char* out = nullptr;
  int64_t out_stride = 0;
  const char* residual = nullptr;
  int64_t residual_stride = 0;
};

inline void prefetch_row(const Prefetch& prefetch, int64_t row) {
  const char* out = prefetch.out + row * prefetch.out_stride;
  asm volatile("prefetchw %0" : : "m"(out[0]));
  asm volatile("prefetchw %0" : : "m"(out[64]));
  if (prefetch.residual == nullptr) return;
  const char* residual = prefetch.residual + row * prefetch.residual_stride;
  _mm_prefetch(residual, _MM_HINT_T0);
  _mm_prefetch(residual + 64, _MM_HINT_T0);
}

// Weights of panels that lie side by side and are read once, from memory: prefetched into L1 8 KB before
// they are used, at the end of the panels those of the next column block.
template <int kPanels>
class OnceRead {
 public:
  OnceRead(const void* w, int64_t panel_bytes)
      : next_(static_cast<const char*>(w) + kAhead), left_(panel_bytes - kAhead), panel_bytes_(panel_bytes) {}

  template <int kLines>
  void prefetch(int64_t bytes = 64 * kLines) {  // the next `bytes` bytes of every panel: kLines lines of them
    if (left_ <= 0) {
      next_ += (kPanels - 1) * panel_bytes_;
      left_ = INT64_MAX;
    }
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) {
#pragma GCC unroll 4
      for (int line = 0; line < kLines; ++line)
        _mm_prefetch(next_ + p * panel_bytes_ + 64 * line, _MM_HINT_T0);
    }
    next_ += bytes;
    left_ -= bytes;
  }

 private:
  static constexpr int64_t kAhead = 8192 / kPanels;
  const char* next_;
  int64_t left_, panel_bytes_;  // left_: of the panel
};

template <int kRows, int kPanels, class Finish>
inline __attribute__((always_inline)) void product(const uint8_t* x, const int8_t* w, int64_t panel_stride,
                                                   int64_t depth, const Prefetch& prefetch, Finish finish) {
  __m512i acc[kRows][kPanels];
#pragma GCC unroll 12
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) asm volatile("vpxord %0, %0, %0" : "=v"(acc[r][p]));
  }
  const auto step = [&](int64_t k)
      __attribute__((always_inline)) {  // 4 values of k, from offset k of x and w on
    __m512i weights[kPanels];
#pragma GCC unroll 8
    for (int p = 0; p < kPanels; ++p) weights[p] = load_panel(w + p * panel_stride + k * 16);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {
      const __m512i v = broadcast4(x + k * kRows + r * 4);
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) dot4(acc[r][p], v, weights[p]);
    }
  };
  const uint8_t *const end = x + depth * kRows, *const last = end - 16 * kRows;
  const char* weights = prefetch.weights;
  OnceRead<kPanels> once(w, panel_stride);
  for (int64_t row = 0; x <= last; x += 16 * kRows, w += 16 * 16) {
    if (prefetch.once) once.template prefetch<4>();
    for (const char* stop = weights + prefetch.step_bytes; weights != stop; weights += 64) {
      _mm_prefetch(weights, _MM_HINT_T1);
    }
    if (row < prefetch.rows) {
      for (int64_t stop = row + prefetch.step_rows; row < stop; ++row) prefetch_row(prefetch, row);
    }
#pragma GCC unroll 4
    for (int k = 0; k < 16; k += 4) step(k);
#pragma GCC unroll 12
    for (int r = 0; r < kRows; ++r) {  // keeps them in registers: else g++ 12 copies one back and forth
#pragma GCC unroll 8
      for (int p = 0; p < kPanels; ++p) asm volatile("" : "+v"(acc[r][p]));
    }
  }
  for (; x != end; x += 4 * kRows, w += 4 * 16) step(0);
  finish(acc);
}

}  // namespace
}  // namespace vqt::cpu
