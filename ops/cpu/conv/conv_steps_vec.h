// conv_steps.h with vectors of any width. Include a vec_*.h first.
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

template <MapDtype kDtype>
void winograd_input_of(const char* const (&pixels)[16], int64_t channels, float* v, int64_t stride) {
  // Copies: what is stored might otherwise be one of the pointers.
  const char* const d[16] = {pixels[0],  pixels[1],  pixels[2],  pixels[3], pixels[4],  pixels[5],
                             pixels[6],  pixels[7],  pixels[8],  pixels[9], pixels[10], pixels[11],
                             pixels[12], pixels[13], pixels[14], pixels[15]};
  for_lanes(
      channels, [&](int64_t c, Lanes lanes) __attribute__((always_inline)) {
        Vec t[4][4];
#pragma GCC unroll 4
        for (int j = 0; j < 4; ++j) {
          const Vec d0 = lanes.load(d[j], kDtype, c), d1 = lanes.load(d[4 + j], kDtype, c);
          const Vec d2 = lanes.load(d[8 + j], kDtype, c), d3 = lanes.load(d[12 + j], kDtype, c);
          t[0][j] = d0 - d2, t[1][j] = d1 + d2, t[2][j] = d2 - d1, t[3][j] = d1 - d3;
        }
#pragma GCC unroll 4
        for (int i = 0; i < 4; ++i) {
          float* to = v + 4 * i * stride + c;
          lanes.store(t[i][0] - t[i][2], to);
          lanes.store(t[i][1] + t[i][2], to + stride);
          lanes.store(t[i][2] - t[i][1], to + 2 * stride);
          lanes.store(t[i][1] - t[i][3], to + 3 * stride);
        }
      });
}

void winograd_input(const char* const (&pixels)[16], MapDtype dtype, int64_t channels, float* v,
                    int64_t stride) {
  dtype == MapDtype::kFloat32 ? winograd_input_of<MapDtype::kFloat32>(pixels, channels, v, stride)
                              : winograd_input_of<MapDtype::kBFloat16>(pixels, channels, v, stride);
}

void winograd_store(const float* m, int64_t stride, const StoreStep& a, const PixelStore (&stores)[4]) {
  const StoreStep step = a;
  for_lanes(
      step.columns, [&](int64_t c, Lanes lanes) __attribute__((always_inline)) {
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
          finish(s[i][0] + s[i][1] + s[i][2], step, stores[2 * i], c, lanes);
          finish(s[i][1] - s[i][2] - s[i][3], step, stores[2 * i + 1], c, lanes);
        }
      });
}

void store(const float* v, const StoreStep& step, const PixelStore& to) {
  for_lanes(
      step.columns, [&](int64_t c, Lanes lanes)
                        __attribute__((always_inline)) { finish(lanes.load(v + c), step, to, c, lanes); });
}

void read(const char* pixel, MapDtype dtype, int64_t channels, float* to) {
  for_lanes(
      channels, [&](int64_t c, Lanes lanes)
                    __attribute__((always_inline)) { lanes.store(lanes.load(pixel, dtype, c), to + c); });
}

void lerp_values(const float* a, const float* b, float weight, const float* plus, int64_t n, float* to) {
  for_lanes(
      n, [&](int64_t i, Lanes lanes) __attribute__((always_inline)) {
        Vec v = lerp(lanes.load(a + i), lanes.load(b + i), Vec::all(weight));
        if (plus != nullptr) v = v + lanes.load(plus + i);
        lanes.store(v, to + i);
      });
}

constexpr ConvSteps kSteps = {winograd_input, winograd_store, store, read, lerp_values};

}  // namespace
}  // namespace vqt::cpu
