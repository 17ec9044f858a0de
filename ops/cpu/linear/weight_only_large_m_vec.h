// The weight-only linear for large m, written once for all vector widths: blocks of x in L2, a panel of float
// weights in L1. To be included behind vec_*.h and the Ints of that width, by files compiled for one instruction
// set.
//
// Ints: 32-bit lanes of a panel, one column each (two Vec, or one, for the 16 columns).
//   int8  a lane holds the 4 values of k of a step, lowest byte first
//   int4  a lane holds the 8 values of k of a step: byte b holds k = b in its low, k = b + 4 in its high nibble
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "cpu/linear/linear_block.h"
#include "cpu/linear/weight_only_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int kVecs = kPanel / Vec::kWidth;  // of a panel

// Values [k, k + count) of a panel as float [count][kPanel], (q - zero) * scale.
inline void dequantize_steps8(const WeightOnlyJob& a, int64_t panel, int64_t k, int64_t count, float* out) {
  const uint8_t* w = a.w + panel * kPanel * a.k_pad + k * kPanel;
  for (int v = 0; v < kVecs; ++v) {
    const int64_t column = v * Vec::kWidth;
    const Vec scale = Vec::load(a.scale + panel * kPanel + column);
    const Vec zero =
        a.zero != nullptr ? Ints::load(a.zero + panel * kPanel + column).value() : Vec::all(0.0f);
    for (int64_t i = 0; i < count; i += 4) {
      const Ints lanes = Ints::load(w + i * kPanel + column * 4);
#pragma GCC unroll 4
      for (int j = 0; j < 4; ++j) ((lanes.byte(j) - zero) * scale).store(out + (i + j) * kPanel + column);
    }
  }
}

inline void dequantize_steps4(const WeightOnlyJob& a, int64_t panel, int64_t k, int64_t count, float* out) {
  const uint8_t* w = a.w + panel * a.panel_bytes();
  while (count > 0) {
    const int64_t g = k / a.group, in_group = k % a.group, part = std::min(count, a.group - in_group);
    const uint8_t* head = w + g * a.group_bytes;
    const uint8_t* values = head + kPanel * (a.symmetric ? 4 : 5) + in_group * kPanel / 2;
    for (int v = 0; v < kVecs; ++v) {
      const int64_t column = v * Vec::kWidth;
      const Vec scale = Vec::load(reinterpret_cast<const float*>(head) + column);
      const Vec zero = a.symmetric ? Vec::all(8.0f) : Ints::from_bytes(head + kPanel * 4 + column);
      for (int64_t i = 0; i < part; i += 8) {
        const Ints lanes = Ints::load(values + i * kPanel / 2 + column * 4);
#pragma GCC unroll 8
        for (int j = 0; j < 8; ++j) ((lanes.nibble(j) - zero) * scale).store(out + (i + j) * kPanel + column);
      }
    }
    k += part;
    count -= part;
    out += part * kPanel;
  }
}

// 8 rows of 8 values, `stride` apart, transposed: out[i] holds value i of every row.
inline void transpose8(const int16_t* rows, int64_t stride, __m128i (&out)[8]) {
  __m128i a[8], b[8];
  for (int r = 0; r < 8; ++r) a[r] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(rows + r * stride));
  for (int i = 0; i < 4; ++i) {
    b[2 * i] = _mm_unpacklo_epi16(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm_unpackhi_epi16(a[2 * i], a[2 * i + 1]);
  }
  for (int i = 0; i < 2; ++i) {
    a[4 * i] = _mm_unpacklo_epi32(b[4 * i], b[4 * i + 2]);
    a[4 * i + 1] = _mm_unpackhi_epi32(b[4 * i], b[4 * i + 2]);
    a[4 * i + 2] = _mm_unpacklo_epi32(b[4 * i + 1], b[4 * i + 3]);
    a[4 * i + 3] = _mm_unpackhi_epi32(b[4 * i + 1], b[4 * i + 3]);
  }
  for (int i = 0; i < 4; ++i) {
    out[2 * i] = _mm_unpacklo_epi64(a[i], a[i + 4]);
    out[2 * i + 1] = _mm_unpackhi_epi64(a[i], a[i + 4]);
  }
}

inline void dequantize_steps16(const WeightOnlyJob& a, int64_t panel, int64_t k, int64_t count, int64_t end,
                               float* out) {
  const auto* w = reinterpret_cast<const int16_t*>(a.w) + panel * kPanel * a.k + k;
  const int64_t columns = std::min(kPanel, end - panel * kPanel);
  alignas(64) float scale[kPanel] = {};
  for (int64_t c = 0; c < columns; ++c) scale[c] = a.scale[a.one_scale ? 0 : panel * kPanel + c];
  const int64_t whole = columns == kPanel ? count / 8 * 8 : 0;
  for (int64_t i = 0; i < whole; i += 8) {
    alignas(64) int16_t transposed[8][kPanel];
    for (int64_t half = 0; half < kPanel; half += 8) {
      __m128i of_k[8];
      transpose8(w + half * a.k + i, a.k, of_k);
      for (int j = 0; j < 8; ++j) _mm_store_si128(reinterpret_cast<__m128i*>(transposed[j] + half), of_k[j]);
    }
    for (int64_t j = 0; j < 8; ++j) {
      for (int64_t c = 0; c < kPanel; c += Vec::kWidth)
        (Ints::from_int16(transposed[j] + c) * Vec::load(scale + c)).store(out + (i + j) * kPanel + c);
    }
  }
  for (int64_t i = whole; i < count; ++i) {
    for (int64_t c = 0; c < columns; ++c) out[i * kPanel + c] = static_cast<float>(w[c * a.k + i]) * scale[c];
  }
}

// Where a tile is stored in y: columns [begin, end) of its kFloatTileVecs vectors.
struct TileTarget {
  float* y;  // of the tile's first row and column, whether or not that column is part of the result
  int64_t stride;
  const float* bias;  // likewise; or null
  int64_t begin, end;
  bool add;  // to what y holds, the sums of the values of k before
};

template <int kRows>
void store_tile(const Vec (&acc)[kRows][kFloatTileVecs], const TileTarget& to) {
  constexpr int64_t kWidth = kFloatTileVecs * Vec::kWidth;
  if (to.begin == 0 && to.end == kWidth) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 2
      for (int v = 0; v < kFloatTileVecs; ++v) {
        float* y = to.y + r * to.stride + v * Vec::kWidth;
        Vec sum = acc[r][v];
        if (to.add) sum = sum + Vec::load(y);
        if (to.bias != nullptr) sum = sum + Vec::load(to.bias + v * Vec::kWidth);
        sum.store(y);
      }
    }
    return;
  }
  for (int r = 0; r < kRows; ++r) {
    alignas(64) float values[kWidth];
    for (int v = 0; v < kFloatTileVecs; ++v) acc[r][v].store(values + v * Vec::kWidth);
    float* y = to.y + r * to.stride;
    for (int64_t c = to.begin; c < to.end; ++c) {
      const float sum = to.add ? values[c] + y[c] : values[c];
      y[c] = to.bias == nullptr ? sum : sum + to.bias[c];
    }
  }
}

// x: [kRows][kFloatDepth]; w: [kFloatTileVecs * width / 16][kFloatDepth][16].
template <int kRows>
void tile(const float* x, const float* w, int64_t depth, const TileTarget& to) {
  Vec acc[kRows][kFloatTileVecs];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; ++r) {
    __builtin_prefetch(to.y + r * to.stride, 1);
#pragma GCC unroll 2
    for (int v = 0; v < kFloatTileVecs; ++v) acc[r][v] = Vec::all(0.0f);
  }
  constexpr int64_t kNext =
      kVecs == 2 ? Vec::kWidth : kFloatDepth * kPanel;  // from one vector of a k to the other
  for (int64_t k = 0; k < depth; ++k, w += kPanel, ++x) {
    Vec b[kFloatTileVecs];
#pragma GCC unroll 2
    for (int v = 0; v < kFloatTileVecs; ++v) b[v] = Vec::load(w + v * kNext);
#pragma GCC unroll 16
    for (int r = 0; r < kRows; ++r) {
      const Vec value = Vec::all(x[r * kFloatDepth]);
#pragma GCC unroll 2
      for (int v = 0; v < kFloatTileVecs; ++v) acc[r][v] = fma(value, b[v], acc[r][v]);
    }
  }
  store_tile<kRows>(acc, to);
}

using TileFn = void (*)(const float* x, const float* w, int64_t depth, const TileTarget& to);

template <size_t... kIndex>
TileFn tile_of(int64_t rows, std::index_sequence<kIndex...>) {
  static constexpr TileFn kTiles[] = {tile<kIndex + 1>...};
  return kTiles[rows - 1];
}

void dequantize_steps(const WeightOnlyJob& a, int64_t panel, int64_t k, int64_t depth, int64_t end,
                      float* out) {
  if (panel * kPanel >= end) return;  // the second panel of a tile, beyond the last column
  switch (a.kind) {
    case WeightOnlyJob::Kind::kInt8:
      return dequantize_steps8(a, panel, k, depth, out);
    case WeightOnlyJob::Kind::kInt4:
      return dequantize_steps4(a, panel, k, depth, out);
    case WeightOnlyJob::Kind::kInt16:
      return dequantize_steps16(a, panel, k, depth, end, out);
  }
}

void large_m_blocks(const WeightOnlyJob& a, Range rows, Range columns) {
  constexpr int64_t kTilePanels = kFloatTileVecs / kVecs, kTileColumns = kTilePanels * kPanel;
  const int64_t row_block = linear_block(kLargeM, rows.size(), a.k, a.group, cache_sizes()).rows;
  auto* w = static_cast<float*>(scratch((kTilePanels * kPanel + row_block) * kFloatDepth * sizeof(float)));
  float* x = w + kTilePanels * kPanel * kFloatDepth;
  std::memset(w, 0, kTilePanels * kPanel * kFloatDepth * sizeof(float));
  for (int64_t row = rows.begin; row < rows.end; row += row_block) {
    const int64_t height = std::min(row_block, rows.end - row);
    for (int64_t k = 0; k < a.k_pad; k += kFloatDepth) {
      const int64_t depth = std::min(kFloatDepth, a.k_pad - k), real = std::min(depth, a.k - k);
      for (int64_t r = 0; r < height; ++r) {
        std::memcpy(x + r * kFloatDepth, a.x + (row + r) * a.k + k, real * sizeof(float));
        std::memset(x + r * kFloatDepth + real, 0, (depth - real) * sizeof(float));
      }
      for (int64_t column = columns.begin / kPanel * kPanel; column < columns.end; column += kTileColumns) {
        for (int64_t p = 0; p < kTilePanels; ++p)
          dequantize_steps(a, column / kPanel + p, k, depth, columns.end, w + p * kPanel * kFloatDepth);
        TileTarget to;
        to.stride = a.y_stride;
        to.begin = std::max<int64_t>(columns.begin - column, 0);
        to.end = std::min(columns.end - column, kTileColumns);
        to.add = k > 0;
        to.bias = a.bias == nullptr || k + depth < a.k_pad ? nullptr : a.bias + column - a.first_column;
        for (int64_t r = 0; r < height; r += kFloatTileRows) {
          to.y = a.y + (row + r) * a.y_stride + column - a.first_column;
          const int64_t tall = std::min(kFloatTileRows, height - r);
          tile_of(tall, std::make_index_sequence<kFloatTileRows>())(x + r * kFloatDepth, w, depth, to);
        }
      }
    }
  }
}

void large_m(const WeightOnlyJob& a, Range rows, Range columns) {
  count_run(kLargeM);
  large_m_blocks(a, rows, columns);
}

}  // namespace
}  // namespace vqt::cpu
