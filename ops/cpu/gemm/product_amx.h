// The product of AMX kernels: one or two tiles of u8 rows times one or two panels of s8 columns, with a depth that is
// a multiple of 64: a panel's 64 values of k are an operand of tdpbusd as they are stored. For files named *_amx.cpp
// only.
//
// Two tiles of rows x two panels are 4 sums + 4 operands = 8 tiles; 4 products of 12 rows take 48 cycles and read 56
// lines of 64 bytes.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "cpu/gemm/product_avx512vnni.h"
#include "cpu/layout/panel.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kDepthAmx = 64;  // values of k of one tdpbusd

// Tiles 0 to 3: sums; 4, 5: of x; 6, 7: of the weight.
template <uint8_t kRows>
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {kRows, kRows, kRows, kRows, kRows, kRows, 16, 16};
};
static_assert(sizeof(TileConfig<16>) == 64);

// Where two tiles of rows lie, in bytes: a row's next 64 values are 64 * k_stride further.
struct RowsAmx {
  const uint8_t* q = nullptr;
  int64_t row_stride = 0, k_stride = 1, tile_stride = 0;
};

// sums: [rows][pitch], the second tile's from second_tile on; of the second panel kPanel further.
struct SumsAmx {
  int32_t* data = nullptr;
  int64_t pitch = 0, second_tile = 0;
};

template <int kTiles, int kPanels>
void multiply_amx(const RowsAmx& x, const int8_t* w, int64_t depth, const Prefetch& next,
                  const SumsAmx& sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int8_t* const second = w + kPanel * depth;
  const char* weights = next.weights;
  for (int64_t k = 0; k < depth; k += kDepthAmx) {
    for (const char* stop = weights + 4 * next.step_bytes; weights != stop; weights += 64) {
      _mm_prefetch(weights, _MM_HINT_T1);
    }
    const uint8_t* const q = x.q + k * x.k_stride;
    _tile_loadd(4, q, x.row_stride);
    _tile_loadd(6, w + k * kPanel, kDepthAmx);
    _tile_dpbusd(0, 4, 6);
    if (kPanels == 2) {
      _tile_loadd(7, second + k * kPanel, kDepthAmx);
      _tile_dpbusd(1, 4, 7);
    }
    if (kTiles == 2) {
      _tile_loadd(5, q + x.tile_stride, x.row_stride);
      _tile_dpbusd(2, 5, 6);
      if (kPanels == 2) _tile_dpbusd(3, 5, 7);
    }
  }
  const int64_t pitch = sums.pitch * static_cast<int64_t>(sizeof(int32_t));
  int32_t* const below = sums.data + sums.second_tile;
  _tile_stored(0, sums.data, pitch);
  if (kPanels == 2) _tile_stored(1, sums.data + kPanel, pitch);
  if (kTiles == 2) {
    _tile_stored(2, below, pitch);
    if (kPanels == 2) _tile_stored(3, below + kPanel, pitch);
  }
}

// [tiles - 1][panels - 1]
constexpr decltype(&multiply_amx<1, 1>) kMultiplyAmx[2][2] = {{multiply_amx<1, 1>, multiply_amx<1, 2>},
                                                              {multiply_amx<2, 1>, multiply_amx<2, 2>}};

}  // namespace
}  // namespace vqt::cpu
