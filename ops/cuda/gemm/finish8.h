// epilogue.h on the device. A thread finishes 8 neighbouring columns of a row at a time, as the tiles of W are ordered for
// (cuda_tiles.h).
#pragma once

#include <cstdint>
#include <cstring>

#include "cpu/layout/cuda_tiles.h"
#include "cpu/simd/gelu_polynomial.h"
#include "cuda/device.h"
#include "cuda/gemm/epilogue.h"

namespace vqt::cuda {

// Horner's scheme from coefficient i on: cpu/simd/gelu.h, whose bits these are.
template <int i = 0>
VQT_DEVICE float gelu_polynomial(float u) {
  constexpr float kCoefficient = cpu::kGelu[i];
  if constexpr (i == 14) {
    return kCoefficient;
  } else {
    return fma(gelu_polynomial<i + 1>(u), u, kCoefficient);
  }
}

VQT_DEVICE float gelu(float x) {
  constexpr float kEnd = cpu::kGeluEnd, kScale = cpu::kGeluScale;
  const float below = x < kEnd ? x : kEnd;  // a NaN becomes kEnd
  const float t = below > -kEnd ? below : -kEnd;
  const float u = fma(mul(t, t), kScale, -1.0f);
  return mul(x, add(mul(t, gelu_polynomial<>(u)), 0.5f));
}

VQT_DEVICE bool aligned16(const void* p) { return reinterpret_cast<uintptr_t>(p) % 16 == 0; }

// Eight floats or integers at a multiple of 16 bytes.
template <class T>
VQT_DEVICE void load8(const T* from, T (&to)[8]) {
  static_assert(sizeof(T) == 4);
  VQT_UNROLL
  for (int half = 0; half < 2; ++half) {
    const Bytes16 bytes = load(reinterpret_cast<const Bytes16*>(from) + half);
    memcpy(to + 4 * half, &bytes, sizeof bytes);
  }
}

// The 8 columns of W from a multiple of 8 on. Of these, [begin, end) are columns of y: column begin of the 8 is
// column c0 + begin of y.
struct ColumnRun {
  int64_t c0;
  int begin, end;
  float scale[8], bias[8], gamma[8];
  int32_t sum[8], zero[8];

  VQT_DEVICE bool whole() const { return begin == 0 && end == 8; }
};

VQT_DEVICE void load_part(const float* from, const ColumnRun& run, float (&to)[8]) {
  if (from == nullptr) return;
  if (run.whole() && aligned16(from + run.c0)) return load8(from + run.c0, to);
  VQT_UNROLL
  for (int i = 0; i < 8; ++i) to[i] = i >= run.begin && i < run.end ? load(from + run.c0 + i) : 0.0f;
}

// column: of W, a multiple of 8. False where none of the 8 is one of y.
VQT_DEVICE bool load_columns(const SumScales& s, const Epilogue& e, int64_t column, ColumnRun& run) {
  run.c0 = column - e.first_column;
  run.begin = run.c0 < 0 ? static_cast<int>(-run.c0) : 0;
  run.end = e.columns - run.c0 < 8 ? static_cast<int>(e.columns - run.c0) : 8;
  if (run.begin >= run.end) return false;
  load8(s.w_scale + column, run.scale);
  load8(s.w_sum + column, run.sum);
  if (s.w_zero != nullptr) load8(s.w_zero + column, run.zero);
  load_part(e.bias, run, run.bias);
  load_part(e.gamma, run, run.gamma);
  return true;
}

// Types of y: 8 values of a row, read as a residual and written. fast: in pieces of 16 bytes.
struct Float32Result {
  using Stored = float;
  static VQT_DEVICE void load_row(const float* from, bool fast, const ColumnRun& run, float (&v)[8]) {
    if (fast) return load8(from, v);
    VQT_UNROLL
    for (int i = 0; i < 8; ++i) v[i] = i >= run.begin && i < run.end ? load(from + i) : 0.0f;
  }
  static VQT_DEVICE void store_row(float* to, bool fast, const ColumnRun& run, const float (&v)[8]) {
    if (fast) {
      VQT_UNROLL
      for (int half = 0; half < 2; ++half) {
        Bytes16 bytes;
        memcpy(&bytes, v + 4 * half, sizeof bytes);
        store(reinterpret_cast<Bytes16*>(to) + half, bytes);
      }
      return;
    }
    VQT_UNROLL
    for (int i = 0; i < 8; ++i) {
      if (i >= run.begin && i < run.end) store(to + i, v[i]);
    }
  }
};

struct BFloat16Result {
  using Stored = uint16_t;
  static VQT_DEVICE void load_row(const uint16_t* from, bool fast, const ColumnRun& run, float (&v)[8]) {
    if (fast) {
      const Bytes16 bytes = load(reinterpret_cast<const Bytes16*>(from));
      VQT_UNROLL
      for (int i = 0; i < 8; ++i) v[i] = from_bfloat16(bytes.v[i / 2] >> (i % 2 * 16) & 0xffffu);
      return;
    }
    VQT_UNROLL
    for (int i = 0; i < 8; ++i) v[i] = i >= run.begin && i < run.end ? from_bfloat16(load(from + i)) : 0.0f;
  }
  static VQT_DEVICE void store_row(uint16_t* to, bool fast, const ColumnRun& run, const float (&v)[8]) {
    if (fast) {
      Bytes16 bytes;
      VQT_UNROLL
      for (int i = 0; i < 4; ++i) bytes.v[i] = bfloat16_pair(v[2 * i], v[2 * i + 1]);
      store(reinterpret_cast<Bytes16*>(to), bytes);
      return;
    }
    VQT_UNROLL
    for (int i = 0; i < 8; ++i) {
      if (i >= run.begin && i < run.end) store(to + i, static_cast<uint16_t>(bfloat16_bits(v[i])));
    }
  }
};

struct UInt8Result {};

template <class Result>
VQT_DEVICE void write_row(Result, const Epilogue& e, int64_t, int64_t row, const ColumnRun& run,
                          float (&v)[8]) {
  using T = typename Result::Stored;
  T* const y = static_cast<T*>(e.y) + row * e.y_stride + run.c0;
  if (e.residual != nullptr) {
    const T* const from = static_cast<const T*>(e.residual) + row * e.residual_stride + run.c0;
    float residual[8];
    Result::load_row(from, run.whole() && aligned16(from), run, residual);
    VQT_UNROLL
    for (int i = 0; i < 8; ++i) v[i] = add(v[i], residual[i]);
  }
  Result::store_row(y, run.whole() && aligned16(y), run, v);
}

VQT_DEVICE uint32_t quantize_static(const Epilogue& e, float v) {
  const float scaled = div(v, e.y_scale);
  const float low = e.y_symmetric ? -127.0f : 0.0f, high = e.y_symmetric ? 127.0f : 255.0f;
  const float shifted = e.y_symmetric ? scaled : add(scaled, to_float(e.y_zero));
  const float clamped = shifted < low ? low : high < shifted ? high : shifted;
  return static_cast<uint32_t>(round_half_even(clamped) + (e.y_symmetric ? 128 : 0));
}

// A residual of a u8 result is float32.
VQT_DEVICE void write_row(UInt8Result, const Epilogue& e, int64_t rows, int64_t row, const ColumnRun& run,
                          float (&v)[8]) {
  if (e.residual != nullptr) {
    const float* const from = static_cast<const float*>(e.residual) + row * e.residual_stride + run.c0;
    float residual[8];
    Float32Result::load_row(from, run.whole() && aligned16(from), run, residual);
    VQT_UNROLL
    for (int i = 0; i < 8; ++i) v[i] = add(v[i], residual[i]);
  }
  uint32_t q[8];
  bool all_finite = true;
  VQT_UNROLL
  for (int i = 0; i < 8; ++i) {
    const bool here = i >= run.begin && i < run.end;
    q[i] = here && finite(v[i]) ? quantize_static(e, v[i]) : 0;
    all_finite = all_finite && (!here || finite(v[i]));
  }
  if (!all_finite) store(e.q_scale + row, nan());
  uint8_t* const tiles = static_cast<uint8_t*>(e.y);
  const int64_t k_pad = tile_depth(e.columns);
  if (run.whole() && run.c0 % 8 == 0) {
    Bytes8 bytes;
    VQT_UNROLL
    for (int i = 0; i < 2; ++i)
      bytes.v[i] = q[4 * i] | q[4 * i + 1] << 8 | q[4 * i + 2] << 16 | q[4 * i + 3] << 24;
    store(reinterpret_cast<Bytes8*>(tiles + tiled_offset(row, run.c0, rows, k_pad)), bytes);
    return;
  }
  VQT_UNROLL
  for (int i = 0; i < 8; ++i) {
    if (i >= run.begin && i < run.end)
      store(tiles + tiled_offset(row, run.c0 + i, rows, k_pad), static_cast<uint8_t>(q[i]));
  }
}

// Finishes 8 columns of a row. sums: of x * w. rows: of x.
template <class Result>
VQT_DEVICE void finish8(Result result, const SumScales& s, const Epilogue& e, int64_t rows, int64_t row,
                        const ColumnRun& run, const int32_t (&sums)[8]) {
  if (row >= rows) return;
  const float x_scale = load(s.x_scale + row);
  const uint32_t x_zero = static_cast<uint32_t>(load(s.x_zero + row));
  uint32_t x_rest = 0;
  if (s.w_zero != nullptr)
    x_rest = static_cast<uint32_t>(load(s.x_sum + row)) - static_cast<uint32_t>(s.k) * x_zero;
  float v[8];
  VQT_UNROLL
  for (int i = 0; i < 8; ++i) {
    uint32_t dot = static_cast<uint32_t>(sums[i]) - x_zero * static_cast<uint32_t>(run.sum[i]);
    if (s.w_zero != nullptr) dot -= static_cast<uint32_t>(run.zero[i]) * x_rest;
    v[i] = mul(mul(to_float(static_cast<int32_t>(dot)), run.scale[i]), x_scale);
    if (e.bias != nullptr) v[i] = add(v[i], run.bias[i]);
    if (e.post_op == cpu::PostOp::kGelu) v[i] = gelu(v[i]);
    if (e.post_op == cpu::PostOp::kRelu) v[i] = 0.0f > v[i] ? 0.0f : v[i];
    if (e.gamma != nullptr) v[i] = mul(run.gamma[i], v[i]);
  }
  write_row(result, e, rows, row, run, v);
}

}  // namespace vqt::cuda
