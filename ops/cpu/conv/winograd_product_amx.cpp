// Winograd's products on AMX, where 64 divides the depth: 64 values of k of a panel are an operand of tdpbusd as they
// are stored, and rows of x lie as they are (a tile of 1). Two times 16 rows x two panels: 4 sums + 4 operands.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <immintrin.h>

#include <algorithm>

#include "cpu/conv/winograd_product.h"
#include "cpu/gemm/column_blocks_avx512vnni.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kPositions = 16;
constexpr int64_t kDepth = 64;  // values of k of one tdpbusd
constexpr int64_t kTile = 16;   // rows of x
constexpr int64_t kPitch = kStripColumns * sizeof(int32_t);

// Tiles 0 to 3: sums; 4, 5: of x; 6, 7: of the weight.
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes_a_row[16] = {64, 64, 64, 64, 64, 64, 64, 64};
  uint8_t rows[16] = {16, 16, 16, 16, 16, 16, 16, 16};
};
static_assert(sizeof(TileConfig) == 64 && kRowsAmx == 2 * kTile);

// sums: [kTiles * 16][kStripColumns]. Rows that are not there are whatever lies behind x.
template <int kTiles, int kPanels>
void multiply(const uint8_t* x, int64_t depth, const int8_t* w, const Prefetch& next, int32_t* sums) {
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  const int8_t* const second = w + kPanel * depth;
  const uint8_t* const below = x + kTile * depth;
  const char* weights = next.weights;
  for (int64_t k = 0; k < depth; k += kDepth) {
    for (const char* stop = weights + 4 * next.step_bytes; weights != stop; weights += 64) {
      _mm_prefetch(weights, _MM_HINT_T1);
    }
    _tile_loadd(4, x + k, depth);
    _tile_loadd(6, w + k * kPanel, kDepth);
    _tile_dpbusd(0, 4, 6);
    if (kPanels == 2) {
      _tile_loadd(7, second + k * kPanel, kDepth);
      _tile_dpbusd(1, 4, 7);
    }
    if (kTiles == 2) {
      _tile_loadd(5, below + k, depth);
      _tile_dpbusd(2, 5, 6);
      if (kPanels == 2) _tile_dpbusd(3, 5, 7);
    }
  }
  _tile_stored(0, sums, kPitch);
  if (kPanels == 2) _tile_stored(1, sums + kPanel, kPitch);
  if (kTiles == 2) {
    _tile_stored(2, sums + kTile * kStripColumns, kPitch);
    if (kPanels == 2) _tile_stored(3, sums + kTile * kStripColumns + kPanel, kPitch);
  }
}

constexpr decltype(&multiply<1, 1>) kMultiply[2][2] = {{multiply<1, 1>, multiply<1, 2>},
                                                       {multiply<2, 1>, multiply<2, 2>}};

}  // namespace

void winograd_product_amx(const WinogradProduct& a, int64_t first, int64_t rows, int64_t column,
                          int64_t panels, const WinogradPrefetch& prefetch) {
  const int64_t depth = a.job.w_depth();
  const auto product = kMultiply[rows > kTile][panels - 1];
  const TileConfig config;
  _tile_loadconfig(&config);
  ColumnBlock next;
  next.next = prefetch.next_column;
  alignas(64) int32_t sums[2][kRowsAmx * kStripColumns];
  for (int64_t p = 0, pixel = 0; p < kPositions; ++p) {
    for (; pixel < prefetch.count * (p + 1) / kPositions; ++pixel) {
      for (int64_t i = 0; i < prefetch.bytes; i += 64)
        asm volatile("prefetchw %0" : : "m"(prefetch.pixels[pixel][i]));
    }
    const QuantizedRows& x = a.rows[p];
    const int64_t from = p * a.position_columns;
    const PrefetchShares shares =
        next.prefetch(a.job.w + (from + next.next) * depth, panels * kPanel * depth, depth, prefetch.shares);
    int32_t* const of = sums[p % 2];
    product(x.q + first * depth, depth, a.job.w + (from + column) * depth, shares.share(prefetch.share), of);
    float* const m = a.m + p * rows * kStripColumns;
    for (int64_t i = 0; i < panels * kPanel; i += kPanel) {
      // Every zero is 128, or its scale NaN.
      const __m512i from_zero = _mm512_slli_epi32(_mm512_loadu_si512(a.job.w_sum + from + column + i), 7);
      const __m512 w_scale = _mm512_loadu_ps(a.job.w_scale + from + column + i);
      for (int64_t r = 0; r < rows; ++r) {
        const __m512i dot = _mm512_sub_epi32(_mm512_load_si512(of + r * kStripColumns + i), from_zero);
        const __m512 v = _mm512_mul_ps(_mm512_cvtepi32_ps(dot), w_scale);
        _mm512_storeu_ps(m + r * kStripColumns + i, _mm512_mul_ps(v, _mm512_set1_ps(x.scale[first + r])));
      }
    }
  }
  _tile_release();
}

}  // namespace vqt::cpu
