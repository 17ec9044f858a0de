// An integer convolution: rows of float values (pixels, windows, or Winograd's 16 positions of a tile) become u8
// with a scale each, int8 linears multiply them with a packed matrix, and the results are finished and stored
// (conv_steps.h). The steps of one block of rows:
//
//   x [n, h, w, C] --> rows of float32 --quantize--> u8 rows --linear_int8--> sums, a strip of columns
//                      (resized first)                                            | bias, residual, ReLU
//                                                                                      v
//                                                                          y [n, h', w', N]
//
// Rows, and columns of the matrix (row of the packed weight), by form:
//   kPointwise    a pixel                           column n
//   kWindows      kh kw C values around a result    column n               values in the order (ky, kx, c)
//   kTransposed   a pixel                           column (dy * kw + dx) * N + n of result (kh y + dy, kw x + dx)
//   kWinograd     C values of a tile, 16 times      column p * N_pad + n   for position p = 4 i + j
//
// A row's scale depends on that row alone, so a result depends on no other frame, block or thread. NaN or Inf
// in a row makes all that is computed from it NaN: with kWinograd the tile's results that use the position.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/cache_sizes.h"
#include "cpu/conv/map.h"
#include "cpu/isa.h"
#include "cpu/linear/linear_kernel.h"
#include "vqt/conv.h"

namespace vqt::cpu {

struct ConvInt8Job {
  ConvForm form = ConvForm::kPointwise;
  int64_t kernel_h = 1, kernel_w = 1, stride_h = 1, stride_w = 1, pad_h = 0, pad_w = 0;
  Map x;
  // kWinograd alone: x is resized to x_height x x_width (bilinear, aligned corners) on the way, in float32, and
  // the position tables are added, [x_width][C / 2] to the first half of the channels and [x_height][C / 2] to
  // the second. Null: none. Without resizing x_height and x_width are x's.
  int64_t x_height = 0, x_width = 0;
  const float* pos_x = nullptr;
  const float* pos_y = nullptr;
  // The packed matrix (packed_weight.h, kCpuInt8, symmetric).
  const int8_t* w = nullptr;
  const float* w_scale = nullptr;
  const int32_t* w_sum = nullptr;
  int64_t n = 0;                // channels of y
  const float* bias = nullptr;  // [n]
  Map residual;                 // as y; data null: none
  Map low;                      // of y's frames and channels, resized to y's size; data null: none
  bool relu = false;
  Map y;

  bool resizes() const { return x_height != x.height || x_width != x.width || pos_x != nullptr; }
};

// How the rows are cut: `blocks` of at most `rows` each, results in strips of `columns`. No result depends on it.
struct ConvPlan {
  Isa isa = Isa::kRef;
  ConvForm form = ConvForm::kPointwise;
  LinearKernel linear = LinearKernel::kInt8Ref;
  int64_t all_rows = 0;
  int64_t blocks = 0, rows = 0, columns = 0;
  // Where x is resized, blocks are rectangles of tiles: pixels are made once for all of a rectangle.
  int64_t tile_rows = 0, tile_columns = 0;

  // Whether results are stored behind the products of a tile of rows (winograd_product.h), not of a block.
  bool fused() const { return form == ConvForm::kWinograd && isa == Isa::kAvx512Vnni; }
  bool fused_amx() const { return fused() && linear == LinearKernel::kInt8Amx; }
};
// amx: kAlways is for linears, and counts as kNever.
ConvPlan plan_conv(const ConvInt8Job& job, Isa isa, AmxUse amx, int threads,
                   const CacheSizes& caches = cache_sizes());

// Computes the results of one block, 0 <= block < plan.blocks. Blocks may run on any threads.
void conv_int8_block(const ConvInt8Job& job, const ConvPlan& plan, int64_t block);

}  // namespace vqt::cpu
