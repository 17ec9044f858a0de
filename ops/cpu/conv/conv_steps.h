// The float steps of an integer convolution, one pixel or tile at a time. Every instruction set gives the
// reference's bits: additions in the order written here, each rounded, no fused multiply-add.
//
// Winograd's F(2x2, 3x3): a tile of 4 x 4 pixels d gives 2 x 2 results.
//   input    t[0] = d[0] - d[2]   t[1] = d[1] + d[2]   t[2] = d[2] - d[1]   t[3] = d[1] - d[3]     over rows,
//            the same over columns of t: 16 values v, position 4 * i + j
//   codes    of the C values of a tile at one position, most = max |v|:
//            q = round(v * (127 / most)) + 128     scale = most / 127     zero = 128
//            most below kLeastMagnitude counts as 0: all q are 128, scale = 1. With NaN or Inf scale is NaN (and q
//            undefined).
//   sums     m[4 * i + j] = (float(sum of (q - 128) * w) * w_scale) * scale: a linear for each position
//   result   s[0] = m[0] + m[1] + m[2]     s[1] = m[1] - m[2] - m[3]     over rows, the same over columns of s,
//            left to right
//
// (A tile has 16 scales, so they are cheap to take: one multiplication with 127 / most instead of the division of
// quantize_rows, whose codes may differ by one where a quotient is near a half.)
//
// A result v becomes a pixel's value in this order:
//   v = v + bias      v = v + residual      v = v + resized low      v = max(v, 0)      rounded to y's dtype
// where each step but the last is optional, and max keeps NaN.
#pragma once

#include <cstdint>

#include "cpu/conv/map.h"
#include "cpu/isa.h"
#include "cpu/layout/activation.h"

namespace vqt::cpu {

constexpr int64_t kTilePositions = 16;
constexpr int64_t kTilesAtOnce = 4;
constexpr float kLeastMagnitude = 0x1p-100f;  // 127 / most is finite from here on

// Where the values of one pixel go, and what is added to them: pointers to channel 0. Null: not there.
struct PixelStore {
  char* y = nullptr;  // null: outside the map, nothing is stored
  const char* residual = nullptr;
  const char* low[4] = {};  // pixels of the smaller map: top left, top right, bottom left, bottom right
  float low_x = 0.0f, low_y = 0.0f;  // weights of right and bottom
};

struct StoreStep {
  const float* bias = nullptr;  // of channel 0
  MapDtype y_dtype = MapDtype::kFloat32, residual_dtype = MapDtype::kFloat32, low_dtype = MapDtype::kFloat32;
  bool relu = false;
  int64_t channel = 0, channels = 0;  // the first one that is stored, and how many
};

struct WinogradTiles {
  const char* pixels[kTilesAtOnce][kTilePositions];  // of each tile 4 x 4, rows first
  int64_t count = 0;
  MapDtype dtype = MapDtype::kFloat32;
  int64_t channels = 0;
  int64_t pixel_bytes = 0;  // from a pixel to its right neighbour: what lies right of a tile is read ahead
};

struct ConvSteps {
  // Tiles become rows [row, row + count) of the 16 positions, all in one tile of rows (activation.h).
  // zero and sum are not written. work: winograd_work(channels) floats at a multiple of 64 bytes. Codes past `channels` are undefined: they meet weights that are 0.
  void (*winograd_rows)(const WinogradTiles& tiles, const QuantizedRows (&rows)[kTilePositions], int64_t row,
                        float* work);
  // From m[p * stride + c], c = 0 for step.channel; stores: 2 x 2, rows first.
  void (*winograd_store)(const float* m, int64_t stride, const StoreStep& step, const PixelStore* stores);
  // From v[c], c = 0 for step.channel.
  void (*store)(const float* v, const StoreStep& step, const PixelStore& store);
  // A pixel's values as float32.
  void (*read)(const char* pixel, MapDtype dtype, int64_t channels, float* to);
  // to = a + (b - a) * weight of n values; plus: added after it, or null. to may be a or b.
  void (*lerp)(const char* a, const char* b, MapDtype dtype, float weight, const float* plus, int64_t n,
               float* to);
};

// Values from one position to the next: whole vectors, and an odd number of cache lines, so that positions do not
// share the sets of L1.
constexpr int64_t winograd_stride(int64_t channels) { return (channels + 15) / 16 * 16 | 16; }

// Values of 16 positions, and codes of kTilesAtOnce tiles.
constexpr int64_t winograd_work(int64_t channels) {
  return kTilePositions * (winograd_stride(channels) + kTilesAtOnce * ((channels + 63) / 64 * 64) / 4);
}

const ConvSteps& conv_steps_ref();
const ConvSteps& conv_steps_avx2();
const ConvSteps& conv_steps_avx512vnni();

inline const ConvSteps& conv_steps(Isa isa) {
  return kernel_for(isa, conv_steps_ref, conv_steps_avx2, conv_steps_avx512vnni)();
}

}  // namespace vqt::cpu
