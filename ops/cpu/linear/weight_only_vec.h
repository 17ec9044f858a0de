// The weight-only linear, written once for all vector widths. To be included behind vec_*.h and the Ints of
// that width, by files compiled for one instruction set.
//
// Ints: 32-bit lanes of a panel, one column each (two Vec, or one, for the 16 columns).
//   int8  a lane holds the 4 values of k of a step, lowest byte first
//   int4  a lane holds the 8 values of k of a step: byte b holds k = b in its low, k = b + 4 in its high nibble
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "cpu/linear/weight_only_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int kVecs = kPanel / Vec::kWidth;  // of a panel
// Zero points are subtracted from sums of x * q after every kChunk values of k: sums of x * q alone grow with
// the mean of x, and would lose low bits of the result.
constexpr int64_t kChunk = 32;
constexpr float kLargestX = 1e20f;

// ---- small m: rows of x are packed, then each panel is read once ----

// Lanes are used as they are, nibbles at their place in the lane: the value is 16, 256 or 4096 times too
// large, x that much smaller, both without rounding. Position of k's nibble within a 16-bit half of the lane:
// 4 * kShift4[k].
constexpr int kShift4[8] = {0, 2, 0, 2, 1, 3, 1, 3};

struct PackedRows {
  const float* x;           // [rows][k_pad]
  const float* minus_sums;  // [rows][chunks] of x; null: no zero points
  int64_t chunks;
};

bool has_zeros(const WeightOnlyJob& a) {
  return a.kind == WeightOnlyJob::Kind::kInt4 || (a.kind == WeightOnlyJob::Kind::kInt8 && a.zero != nullptr);
}

int64_t chunks_of_group(int64_t group) { return (group + kChunk - 1) / kChunk; }

// False: a value is not finite, or so large that x * q could overflow where x * w does not; then the weight's
// zero point and scale have to come first.
bool all_moderate(const float* x, int64_t count) {
  bool good = true;
  for (int64_t i = 0; i < count; ++i) good &= std::fabs(x[i]) <= kLargestX;
  return good;
}

PackedRows pack_rows(const WeightOnlyJob& a, Range rows, float* buffer) {
  const int64_t k_pad = a.k_pad, m = rows.size();
  const int64_t group = a.group, real = a.k / a.groups;  // values of a group, with and without padding
  PackedRows packed = {buffer, has_zeros(a) ? buffer + m * k_pad : nullptr,
                       a.groups * chunks_of_group(group)};
  float* minus_sums = buffer + m * k_pad;
  for (int64_t r = 0; r < m; ++r) {
    const float* from = a.x + (rows.begin + r) * a.k;
    float* to = buffer + r * k_pad;
    for (int64_t g = 0; g < a.groups; ++g, to += group, from += real) {
      std::memcpy(to, from, real * sizeof(float));
      std::memset(to + real, 0, (group - real) * sizeof(float));
      if (packed.minus_sums == nullptr) continue;
      for (int64_t k = 0; k < group; k += kChunk) {
        float sum = 0.0f;
        for (int64_t i = k; i < std::min(group, k + kChunk); ++i) sum += to[i];
        *minus_sums++ = -sum;
      }
      if (a.kind != WeightOnlyJob::Kind::kInt4) continue;
      static constexpr float kFactor[4] = {1.0f, 1.0f / 16, 1.0f / 256, 1.0f / 4096};
      for (int64_t k = 0; k < group; k += 8) {
        for (int i = 0; i < 8; ++i) to[k + i] *= kFactor[kShift4[i]];
      }
    }
  }
  return packed;
}

// The sums of one group: acc += sum over its values of k of x * q - zero * (sum of x). kSplit sums a row and
// vector, so that few rows do not wait for each other.
template <int kRows, int kSplit, bool kInt4>
__attribute__((always_inline)) inline void add_group(const float* x, int64_t k_pad, const uint8_t* w,
                                                     int64_t group, const Vec* zero, const float* minus_sums,
                                                     int64_t chunks, Vec (&acc)[kRows][kVecs][kSplit]) {
  constexpr int kCount = kInt4 ? 8 : 4;  // values of k of a step
  for (int64_t begin = 0; begin < group; begin += kChunk) {
    const int64_t end = std::min(group, begin + kChunk);
    for (int64_t k = begin; k < end; k += kCount, w += kPanel * 4, x += kCount) {
      __builtin_prefetch(w + 1024);
      Ints lanes[kVecs];
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v) lanes[v] = Ints::load(w + v * Vec::kWidth * 4);
#pragma GCC unroll 8
      for (int i = 0; i < kCount; ++i) {
        Vec values[kVecs];
#pragma GCC unroll 2
        for (int v = 0; v < kVecs; ++v)
          values[v] = kInt4 ? lanes[v].scaled_nibble(i) : lanes[v].scaled_byte(i);
#pragma GCC unroll 4
        for (int r = 0; r < kRows; ++r) {
          const Vec of_row = Vec::all(x[r * k_pad + i]);
#pragma GCC unroll 2
          for (int v = 0; v < kVecs; ++v)
            acc[r][v][i % kSplit] = fma(of_row, values[v], acc[r][v][i % kSplit]);
        }
      }
    }
    if (zero == nullptr) continue;
#pragma GCC unroll 4
    for (int r = 0; r < kRows; ++r) {
      const Vec minus_sum = Vec::all(minus_sums[r * chunks]);
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v) acc[r][v][0] = fma(minus_sum, zero[v], acc[r][v][0]);
    }
    ++minus_sums;
  }
}

template <int kRows>
void store_panel(const WeightOnlyJob& a, int64_t row, int64_t panel, Range columns,
                 const Vec (&total)[kRows][kVecs]) {
  alignas(64) float values[kPanel];
  const int64_t begin = std::max(panel * kPanel, columns.begin),
                end = std::min((panel + 1) * kPanel, columns.end);
  for (int r = 0; r < kRows; ++r) {
    for (int v = 0; v < kVecs; ++v) total[r][v].store(values + v * Vec::kWidth);
    float* y = a.y + (row + r) * a.y_stride - a.first_column;
    for (int64_t c = begin; c < end; ++c) {
      const float value = values[c - panel * kPanel];
      y[c] = a.bias == nullptr ? value : value + a.bias[c - a.first_column];
    }
  }
}

template <int kRows, bool kInt4>
void small_m_panel(const WeightOnlyJob& a, const PackedRows& packed, int64_t r, int64_t row, int64_t panel,
                   Range columns) {
  constexpr int kSplit = kRows == 1 ? 4 : kRows == 2 ? 2 : 1;
  Vec total[kRows][kVecs];
  for (auto& of_row : total) {
    for (Vec& v : of_row) v = Vec::all(0.0f);
  }
  const float* x = packed.x + r * a.k_pad;
  const float* minus_sums = packed.minus_sums == nullptr ? nullptr : packed.minus_sums + r * packed.chunks;
  const uint8_t* w = a.w + panel * (kInt4 ? a.groups * a.group_bytes : kPanel * a.k_pad);
  for (int64_t g = 0; g < a.groups; ++g) {
    Vec scale[kVecs], zero[kVecs];
    const uint8_t* values = w;
#pragma GCC unroll 2
    for (int v = 0; v < kVecs; ++v) {
      const int64_t column = v * Vec::kWidth;
      if (kInt4) {
        const uint8_t* head = w + g * a.group_bytes;
        scale[v] = Vec::load(reinterpret_cast<const float*>(head) + column);
        zero[v] = a.symmetric ? Vec::all(8.0f) : Ints::from_bytes(head + kPanel * 4 + column);
        values = head + kPanel * (a.symmetric ? 4 : 5);
      } else {
        scale[v] = Vec::load(a.scale + panel * kPanel + column) * Vec::all(1.0f / (1 << 24));
        zero[v] = Vec::all(0.0f);
        if (a.zero != nullptr)
          zero[v] = Ints::load(a.zero + panel * kPanel + column).value() * Vec::all(1 << 24);
      }
    }
    Vec acc[kRows][kVecs][kSplit];
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v) {
#pragma GCC unroll 4
        for (int s = 0; s < kSplit; ++s) acc[i][v][s] = Vec::all(0.0f);
      }
    }
    add_group<kRows, kSplit, kInt4>(x, a.k_pad, values, a.group, minus_sums == nullptr ? nullptr : zero,
                                    minus_sums, packed.chunks, acc);
    x += a.group;
    if (minus_sums != nullptr) minus_sums += chunks_of_group(a.group);
#pragma GCC unroll 4
    for (int i = 0; i < kRows; ++i) {
#pragma GCC unroll 2
      for (int v = 0; v < kVecs; ++v) {
        Vec sum = acc[i][v][0];
#pragma GCC unroll 4
        for (int s = 1; s < kSplit; ++s) sum = sum + acc[i][v][s];
        total[i][v] = fma(scale[v], sum, total[i][v]);
      }
    }
  }
  store_panel<kRows>(a, row, panel, columns, total);
}

// ---- small m, int16: the weight's rows are along k, and so are the sums ----

constexpr int kColumns16 = 2;  // at a time

// kColumns16 columns from c on; those beyond columns.end repeat the last one and are not stored.
template <int kRows>
void small_m_int16(const WeightOnlyJob& a, int64_t row, int64_t c, Range columns) {
  constexpr int kSplit = kRows == 1 ? 4 : kRows == 2 ? 2 : 1;
  constexpr int64_t kStep = Vec::kWidth * kSplit;
  const auto* w = reinterpret_cast<const int16_t*>(a.w);
  const float* x = a.x + row * a.k;
  const int64_t whole = a.k / kStep * kStep;
  const int16_t* of[kColumns16];
  for (int i = 0; i < kColumns16; ++i) of[i] = w + std::min<int64_t>(c + i, columns.end - 1) * a.k;
  Vec acc[kRows][kColumns16][kSplit];
#pragma GCC unroll 4
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int i = 0; i < kColumns16; ++i) {
#pragma GCC unroll 4
      for (int s = 0; s < kSplit; ++s) acc[r][i][s] = Vec::all(0.0f);
    }
  }
  for (int64_t k = 0; k < whole; k += kStep) {
#pragma GCC unroll 4
    for (int s = 0; s < kSplit; ++s) {
      const int64_t at = k + s * Vec::kWidth;
      Vec values[kColumns16];
#pragma GCC unroll 4
      for (int i = 0; i < kColumns16; ++i) {
        values[i] = Ints::from_int16(of[i] + at);
        __builtin_prefetch(of[i] + at + kColumns16 * a.k);
      }
#pragma GCC unroll 4
      for (int r = 0; r < kRows; ++r) {
        const Vec xs = Vec::load(x + r * a.k + at);
#pragma GCC unroll 4
        for (int i = 0; i < kColumns16; ++i) acc[r][i][s] = fma(xs, values[i], acc[r][i][s]);
      }
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int64_t i = 0; i < std::min<int64_t>(kColumns16, columns.end - c); ++i) {
      Vec all = acc[r][i][0];
      for (int s = 1; s < kSplit; ++s) all = all + acc[r][i][s];
      float sum = all.sum();
      for (int64_t k = whole; k < a.k; ++k) sum += x[r * a.k + k] * static_cast<float>(of[i][k]);
      const int64_t column = c + i - a.first_column;
      const float value = sum * a.scale[a.one_scale ? 0 : c + i];
      a.y[(row + r) * a.y_stride + column] = a.bias == nullptr ? value : value + a.bias[column];
    }
  }
}

// ---- large m: blocks of x in L2, a panel of float weights in L1 ----

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
  const uint8_t* w = a.w + panel * a.groups * a.group_bytes;
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

constexpr int64_t kShared = 4;  // rows that share what is made of a weight in registers

template <size_t... kIndex>
auto small_m_of(WeightOnlyJob::Kind kind, int64_t rows, std::index_sequence<kIndex...>) {
  using Fn = void (*)(const WeightOnlyJob&, const PackedRows&, int64_t, int64_t, int64_t, Range);
  static constexpr Fn kInt8[] = {small_m_panel<kIndex + 1, false>...};
  static constexpr Fn kInt4[] = {small_m_panel<kIndex + 1, true>...};
  return (kind == WeightOnlyJob::Kind::kInt4 ? kInt4 : kInt8)[rows - 1];
}

template <size_t... kIndex>
auto small_m_int16_of(int64_t rows, std::index_sequence<kIndex...>) {
  using Fn = void (*)(const WeightOnlyJob&, int64_t, int64_t, Range);
  static constexpr Fn kFns[] = {small_m_int16<kIndex + 1>...};
  return kFns[rows - 1];
}

void small_m_rows(const WeightOnlyJob& a, Range rows, Range columns) {
  const auto heights = std::make_index_sequence<kShared>();
  if (a.kind == WeightOnlyJob::Kind::kInt16) {
    for (int64_t c = columns.begin; c < columns.end; c += kColumns16) {
      for (int64_t row = rows.begin; row < rows.end; row += kShared)
        small_m_int16_of(std::min(kShared, rows.end - row), heights)(a, row, c, columns);
    }
    return;
  }
  const int64_t chunks = a.groups * chunks_of_group(a.group);
  auto* buffer = static_cast<float*>(scratch(rows.size() * (a.k_pad + chunks) * sizeof(float)));
  const PackedRows packed = pack_rows(a, rows, buffer);
  for (int64_t panel = columns.begin / kPanel; panel * kPanel < columns.end; ++panel) {
    for (int64_t row = rows.begin; row < rows.end; row += kShared) {
      small_m_of(a.kind, std::min(kShared, rows.end - row), heights)(a, packed, row - rows.begin, row, panel,
                                                                     columns);
    }
  }
}

void large_m(const WeightOnlyJob& a, Range rows, Range columns) {
  count_run(kLargeM);
  large_m_blocks(a, rows, columns);
}

void small_m(const WeightOnlyJob& a, Range rows, Range columns) {
  count_run(kSmallM);
  small_m_rows(a, rows, columns);
  for (int64_t row = rows.begin; row < rows.end; ++row) {
    if (!all_moderate(a.x + row * a.k, a.k)) large_m_blocks(a, {row, row + 1}, columns);
  }
}

}  // namespace
}  // namespace vqt::cpu
