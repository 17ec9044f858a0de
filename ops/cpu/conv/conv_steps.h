// The float steps of an integer convolution, one pixel or tile at a time. Every instruction set gives the
// reference's bits: additions in the order written here, each rounded, no fused multiply-add.
//
// Winograd's F(2x2, 3x3): a tile of 4 x 4 pixels d gives 2 x 2 results.
//   input    t[0] = d[0] - d[2]   t[1] = d[1] + d[2]   t[2] = d[2] - d[1]   t[3] = d[1] - d[3]     over rows,
//            the same over columns of t: 16 values v, position 4 * i + j
//   sums     m[4 * i + j], one product for each position
//   result   s[0] = m[0] + m[1] + m[2]     s[1] = m[1] - m[2] - m[3]     over rows, the same over columns of s,
//            left to right
//
// A result v becomes a pixel's value in this order:
//   v = v + bias      v = v + residual      v = v + resized low      v = max(v, 0)      rounded to y's dtype
// where each step but the last is optional, and max keeps NaN.
#pragma once

#include <cstdint>

#include "cpu/conv/map.h"
#include "cpu/isa.h"

namespace vqt::cpu {

// Where the values of one pixel go, and what is added to them: `columns` channels from the same one on. Null:
// not there.
struct PixelStore {
  char* y = nullptr;  // null: outside the map, nothing is stored
  const char* residual = nullptr;
  const char* low[4] = {};  // pixels of the smaller map: top left, top right, bottom left, bottom right
  float low_x = 0.0f, low_y = 0.0f;  // weights of right and bottom
};

struct StoreStep {
  const float* bias = nullptr;
  MapDtype y_dtype = MapDtype::kFloat32, residual_dtype = MapDtype::kFloat32, low_dtype = MapDtype::kFloat32;
  bool relu = false;
  int64_t columns = 0;
};

struct ConvSteps {
  // v[p * stride + c] of a tile; pixels: 4 x 4, rows first.
  void (*winograd_input)(const char* const (&pixels)[16], MapDtype dtype, int64_t channels, float* v,
                         int64_t stride);
  // From m[p * stride + c]; stores: 2 x 2, rows first.
  void (*winograd_store)(const float* m, int64_t stride, const StoreStep& step,
                         const PixelStore (&stores)[4]);
  void (*store)(const float* v, const StoreStep& step, const PixelStore& store);
  // A pixel's values as float32.
  void (*read)(const char* pixel, MapDtype dtype, int64_t channels, float* to);
  // to = a + (b - a) * weight of n values; plus: added after it, or null. to may be a or b.
  void (*lerp)(const float* a, const float* b, float weight, const float* plus, int64_t n, float* to);
};

const ConvSteps& conv_steps_ref();
const ConvSteps& conv_steps_avx2();
const ConvSteps& conv_steps_avx512vnni();

inline const ConvSteps& conv_steps(Isa isa) {
  return kernel_for(isa, conv_steps_ref, conv_steps_avx2, conv_steps_avx512vnni)();
}

}  // namespace vqt::cpu
