// The weight-only linear for small m, written once for all vector widths: rows of x are packed, then each
// panel is read once. Included as weight_only_large_m_vec.h is, which computes what does not fit here.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "cpu/linear/weight_only_kernel.h"
#include "cpu/linear/weight_only_large_m_vec.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

// Zero points are subtracted from sums of x * q after every kChunk values of k: sums of x * q alone grow with
// the mean of x, and would lose low bits of the result.
constexpr int64_t kChunk = 32;
constexpr float kLargestX = 1e20f;

// Lanes are used as they are, nibbles at their place in the lane: the value is 16, 256 or 4096 times too
// large, x that much smaller, both without rounding. Position of k's nibble within a 16-bit half of the
// lane: 4 * kShift4[k].
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
int64_t chunks_of_row(const WeightOnlyJob& a) {
  return (a.groups - 1) * chunks_of_group(a.group) + chunks_of_group(a.depth(a.groups - 1));
}

// False: a value is not finite, or so large that x * q could overflow where x * w does not; then the weight's
// zero point and scale have to come first.
bool all_moderate(const float* x, int64_t count) {
  bool good = true;
  for (int64_t i = 0; i < count; ++i) good &= std::fabs(x[i]) <= kLargestX;
  return good;
}

PackedRows pack_rows(const WeightOnlyJob& a, Range rows, float* buffer) {
  const int64_t k_pad = a.k_pad, m = rows.size();
  PackedRows packed = {buffer, has_zeros(a) ? buffer + m * k_pad : nullptr, chunks_of_row(a)};
  float* minus_sums = buffer + m * k_pad;
  for (int64_t r = 0; r < m; ++r) {
    const float* from = a.x + (rows.begin + r) * a.k;
    float* to = buffer + r * k_pad;
    for (int64_t g = 0, group = 0, real = 0; g < a.groups; ++g, to += group, from += real) {
      group = a.depth(g);  // values of it, with and without padding
      real = std::min(a.group, a.k - g * a.group);
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
  const uint8_t* w = a.w + panel * (kInt4 ? a.panel_bytes() : kPanel * a.k_pad);
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
    const int64_t depth = a.depth(g);
    add_group<kRows, kSplit, kInt4>(x, a.k_pad, values, depth, minus_sums == nullptr ? nullptr : zero,
                                    minus_sums, packed.chunks, acc);
    x += depth;
    if (minus_sums != nullptr) minus_sums += chunks_of_group(depth);
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
  const int64_t chunks = chunks_of_row(a);
  auto* buffer = static_cast<float*>(scratch(rows.size() * (a.k_pad + chunks) * sizeof(float)));
  const PackedRows packed = pack_rows(a, rows, buffer);
  for (int64_t panel = columns.begin / kPanel; panel * kPanel < columns.end; ++panel) {
    for (int64_t row = rows.begin; row < rows.end; row += kShared) {
      small_m_of(a.kind, std::min(kShared, rows.end - row), heights)(a, packed, row - rows.begin, row, panel,
                                                                     columns);
    }
  }
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
