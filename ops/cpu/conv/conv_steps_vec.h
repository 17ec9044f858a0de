// conv_steps.h with vectors of any width. Include a vec_*.h first, and define what is no matter of Vec:
//   store_codes(values, factors, channels, rows, row, count, ...)   see the two files
#pragma once

#include "cpu/conv/conv_steps.h"

namespace vqt::cpu {
namespace {

// Values [i, i + kWidth) of a pixel or of float32 numbers, or the first `left` of them.
struct Lanes {
  int64_t left;  // kWidth: all
  bool whole() const { return left == Vec::kWidth; }

  Vec load(const float* p) const { return whole() ? Vec::load(p) : Vec::load_first(p, left); }
  void store(Vec v, float* p) const { whole() ? v.store(p) : v.store_first(p, left); }

  Vec load(const char* pixel, MapDtype dtype, int64_t i) const {
    if (dtype == MapDtype::kFloat32) return load(reinterpret_cast<const float*>(pixel) + i);
    const uint16_t* p = reinterpret_cast<const uint16_t*>(pixel) + i;
    return whole() ? Vec::load_bf16(p) : Vec::load_first_bf16(p, left);
  }
  void store(Vec v, char* pixel, MapDtype dtype, int64_t i) const {
    if (dtype == MapDtype::kFloat32) return store(v, reinterpret_cast<float*>(pixel) + i);
    uint16_t* p = reinterpret_cast<uint16_t*>(pixel) + i;
    whole() ? v.store_bf16(p) : v.store_first_bf16(p, left);
  }
};

// f(i, lanes) for all of n values, the last ones with fewer lanes.
template <class F>
__attribute__((always_inline)) inline void for_lanes(int64_t n, F f) {
  int64_t i = 0;
  for (; i + Vec::kWidth <= n; i += Vec::kWidth) f(i, Lanes{Vec::kWidth});
  if (i < n) f(i, Lanes{n - i});
}

__attribute__((always_inline)) inline Vec lerp(Vec a, Vec b, Vec weight) { return a + (b - a) * weight; }

__attribute__((always_inline)) inline void finish(Vec v, const StoreStep& step, const PixelStore& s,
                                                  int64_t c, Lanes lanes) {
  if (s.y == nullptr) return;
  if (step.bias != nullptr) v = v + lanes.load(step.bias + c);
  if (s.residual != nullptr) v = v + lanes.load(s.residual, step.residual_dtype, c);
  if (s.low[0] != nullptr) {
    const auto corner = [&](int i) __attribute__((always_inline)) {
      return lanes.load(s.low[i], step.low_dtype, c);
    };
    const Vec down = Vec::all(s.low_y);
    v = v + lerp(lerp(corner(0), corner(2), down), lerp(corner(1), corner(3), down), Vec::all(s.low_x));
  }
  if (step.relu) v = max(Vec::all(0.0f), v);
  lanes.store(v, s.y, step.y_dtype, c);
}

// v[p * stride + c] of a tile.
template <MapDtype kDtype>
void winograd_input(const WinogradTiles& a, int64_t tile, float* v, int64_t stride) {
  // Copies: what is stored might otherwise be one of the pointers.
  const char* d[kTilePositions];
#pragma GCC unroll 16
  for (int i = 0; i < kTilePositions; ++i) d[i] = a.pixels[tile][i];
  const int64_t ahead = a.pixel_bytes;
  for_lanes(
      a.channels, [&](int64_t c, Lanes lanes) __attribute__((always_inline)) {
  // The next tile's two new columns: 16 short streams are more than the hardware follows.
#pragma GCC unroll 4
        for (int i = 3; i < kTilePositions; i += 4) {
          const char* const right = d[i] + c * bytes_of(kDtype) + ahead;
          __builtin_prefetch(right);
          __builtin_prefetch(right + ahead);
        }
        Vec t[4][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const Vec d0 = lanes.load(d[j], kDtype, c), d1 = lanes.load(d[4 + j], kDtype, c);
          const Vec d2 = lanes.load(d[8 + j], kDtype, c), d3 = lanes.load(d[12 + j], kDtype, c);
          t[0][j] = d0 - d2, t[1][j] = d1 + d2, t[2][j] = d2 - d1, t[3][j] = d1 - d3;
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          float* to = v + 4 * i * stride + c;  // whole vectors: the rest of a row of `stride` values is free
          (t[i][0] - t[i][2]).store(to);
          (t[i][1] + t[i][2]).store(to + stride);
          (t[i][2] - t[i][1]).store(to + 2 * stride);
          (t[i][1] - t[i][3]).store(to + 3 * stride);
        }
      });
}

// The largest magnitude of each position's row, as bits: NaN and Inf are larger than every number.
inline void magnitudes(const float* v, int64_t channels, int64_t stride, float (&most)[kTilePositions]) {
  for (int64_t first = 0; first < kTilePositions; first += Vec::kWidth) {
    Vec of[Vec::kWidth];
    for (int64_t p = 0; p < Vec::kWidth; ++p) {
      const float* row = v + (first + p) * stride;
      Vec a = Vec::all(0.0f), b = a;
      int64_t c = 0;
      for (; c + 2 * Vec::kWidth <= channels; c += 2 * Vec::kWidth) {
        a = largest_magnitude(a, Vec::load(row + c));
        b = largest_magnitude(b, Vec::load(row + c + Vec::kWidth));
      }
      for_lanes(
          channels - c, [&](int64_t i, Lanes lanes) __attribute__((always_inline)) {
            a = largest_magnitude(a, lanes.load(row + c + i));
          });
      of[p] = largest_magnitude(a, b);
    }
    Vec::largest_of_each(of).store(most + first);
  }
}

// codes: room for the codes of kTilesAtOnce tiles.
void winograd_rows(const WinogradTiles& a, const QuantizedRows (&rows)[kTilePositions], int64_t row,
                   float* work) {
  const int64_t channels = a.channels, stride = winograd_stride(channels);
  Codes codes(reinterpret_cast<uint8_t*>(work + kTilePositions * stride), channels);
  for (int64_t i = 0; i < a.count; ++i) {
    a.dtype == MapDtype::kFloat32 ? winograd_input<MapDtype::kFloat32>(a, i, work, stride)
                                  : winograd_input<MapDtype::kBFloat16>(a, i, work, stride);
    alignas(64) float scale[kTilePositions], factor[kTilePositions];
    magnitudes(work, channels, stride, scale);
    for (int64_t p = 0; p < kTilePositions; p += Vec::kWidth) {
      const Vec most = Vec::load(scale + p), largest = Vec::all(127.0f);
      const auto zero = most < Vec::all(kLeastMagnitude), finite = most < Vec::all(__builtin_inff());
      const Vec of_numbers = choose(zero, Vec::all(1.0f), most / largest);
      choose(finite, of_numbers, Vec::all(__builtin_nanf(""))).store(scale + p);
      choose(zero, Vec::all(0.0f), largest / most).store(factor + p);
    }
    for (int64_t p = 0; p < kTilePositions; ++p) {
      rows[p].scale[row + i] = scale[p];
      codes.take(work + p * stride, factor[p], rows[p], row, i, p);
    }
  }
  codes.store(rows, row, a.count);
}

void winograd_store(const float* m, int64_t stride, const StoreStep& a, const PixelStore* stores) {
  const StoreStep step = a;
  for_lanes(
      step.channels, [&](int64_t c, Lanes lanes) __attribute__((always_inline)) {
        Vec s[2][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const auto at = [&](int i) __attribute__((always_inline)) {
            return lanes.load(m + (4 * i + j) * stride + c);
          };
          const Vec m0 = at(0), m1 = at(1), m2 = at(2), m3 = at(3);
          s[0][j] = m0 + m1 + m2, s[1][j] = m1 - m2 - m3;
        }
#pragma GCC unroll 2
        for (int i = 0; i < 2; ++i) {
          finish(s[i][0] + s[i][1] + s[i][2], step, stores[2 * i], step.channel + c, lanes);
          finish(s[i][1] - s[i][2] - s[i][3], step, stores[2 * i + 1], step.channel + c, lanes);
        }
      });
}

void store(const float* v, const StoreStep& step, const PixelStore& to) {
  for_lanes(
      step.channels, [&](int64_t c, Lanes lanes) __attribute__((always_inline)) {
        finish(lanes.load(v + c), step, to, step.channel + c, lanes);
      });
}

void read(const char* pixel, MapDtype dtype, int64_t channels, float* to) {
  for_lanes(
      channels, [&](int64_t c, Lanes lanes)
                    __attribute__((always_inline)) { lanes.store(lanes.load(pixel, dtype, c), to + c); });
}

void lerp_values(const char* a, const char* b, MapDtype dtype, float weight, const float* plus, int64_t n,
                 float* to) {
  const Vec w = Vec::all(weight);
  for_lanes(
      n, [&](int64_t i, Lanes lanes) __attribute__((always_inline)) {
        Vec v = lerp(lanes.load(a, dtype, i), lanes.load(b, dtype, i), w);
        if (plus != nullptr) v = v + lanes.load(plus + i);
        lanes.store(v, to + i);
      });
}

constexpr ConvSteps kSteps = {winograd_rows, winograd_store, store, read, lerp_values};

}  // namespace
}  // namespace vqt::cpu
