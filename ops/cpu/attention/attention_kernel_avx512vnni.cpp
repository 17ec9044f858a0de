// Attention with vpdpbusd: tiles of 8 rows by two panels of 16 keys or columns, 16 accumulators. A block of
// keys stays in L1 while a group of tiles passes over it.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/attention/attention_softmax_avx512.h"
#include "cpu/simd/avx512vnni.h"

namespace vqt::cpu {
namespace {

constexpr int kRows = 8;
constexpr int kGroupRows = 64;
constexpr int kTiles = kGroupRows / kRows;

struct Work {
  QueryRows<kGroupRows> q;
  Tile<kRows> tile;
  RowState state[kTiles];
  alignas(64) float acc[kGroupRows * kMaxAttentionHeadSize];  // [row][columns]
};

// start(p) + 8 rows of x, kPitch bytes apart, times kPanels panels of w [steps][16][4], `panel` bytes apart.
template <int kPanels, class Start, class Finish>
inline __attribute__((always_inline)) void product(Start start, const uint8_t* x, const int8_t* w,
                                                   int64_t panel, int64_t steps, Finish finish) {
  __m512i acc[kRows][kPanels];
  each<kPanels>([&](auto p) __attribute__((always_inline)) {
    const __m512i s = start(p);
    each<kRows>([&](auto r) __attribute__((always_inline)) {
      asm volatile("vmovdqa64 %1, %0" : "=v"(acc[r][p]) : "v"(s));
    });
  });
  for (const uint8_t* const end = x + steps * 4; x != end; x += 16, w += 256) {
    each<4>([&](auto s) __attribute__((always_inline)) {
      __m512i weights[kPanels];
      each<kPanels>([&](auto p)
                        __attribute__((always_inline)) { weights[p] = load_panel(w + p * panel + s * 64); });
      each<kRows>([&](auto r) __attribute__((always_inline)) {
        const __m512i v = broadcast4(x + r * kPitch + s * 4);
        each<kPanels>([&](auto p) __attribute__((always_inline)) { dot4(acc[r][p], v, weights[p]); });
      });
    });
  }
  finish(acc);
}

__attribute__((noinline)) void scores(const Head& h, const uint8_t* q, int shift, int64_t key, int size,
                                      Tile<kRows>& tile) {
  const __m128i by = _mm_cvtsi32_si128(shift);
  for (int i = 0; i < size; i += 32) {
    const int64_t at = key + i;
    product<2>(
        [&](int p) __attribute__((always_inline)) { return _mm512_loadu_si512(h.k_start + at + 16 * p); }, q,
        h.k + at * h.columns, 16 * h.columns, h.columns / 4,
        [&](const auto& acc) __attribute__((always_inline)) {
          const __m512i mult = _mm512_loadu_si512(h.k_mult + at);
          each<kRows>([&](auto r) __attribute__((always_inline)) {
            const __m512i s =
                _mm512_packs_epi32(_mm512_sra_epi32(acc[r][0], by), _mm512_sra_epi32(acc[r][1], by));
            _mm512_store_si512(tile.score[r] + i, _mm512_mulhrs_epi16(s, mult));
          });
        });
  }
}

template <int kPanels>
inline __attribute__((always_inline)) void add_columns(const Head& h, const Tile<kRows>& tile, int64_t key,
                                                       int size, int64_t column, float* to) {
  const float* ratios = h.v_ratio + key / kKeyBlock * h.columns + column;
  product<kPanels>(
      [](int) __attribute__((always_inline)) { return _mm512_setzero_si512(); }, tile.code[0],
      h.v + key * h.columns + column * size, 16 * size, size / 4,
      [&](const auto& o) __attribute__((always_inline)) {
        __m512 ratio[kPanels];
        each<kPanels>([&](auto p)
                          __attribute__((always_inline)) { ratio[p] = _mm512_loadu_ps(ratios + 16 * p); });
        each<kRows>([&](auto r) __attribute__((always_inline)) {
          const __m512 alpha = _mm512_set1_ps(tile.alpha[r]), beta = _mm512_set1_ps(tile.beta[r]);
          each<kPanels>([&](auto p) __attribute__((always_inline)) {
            float* acc = to + r * h.columns + column + 16 * p;
            const __m512 old = _mm512_mul_ps(_mm512_loadu_ps(acc), alpha);
            _mm512_storeu_ps(
                acc, _mm512_fmadd_ps(_mm512_cvtepi32_ps(o[r][p]), _mm512_mul_ps(beta, ratio[p]), old));
          });
        });
      });
}

__attribute__((noinline)) void add_values(const Head& h, const Tile<kRows>& tile, int64_t key, int size,
                                          float* acc) {
  int64_t column = 0;
  for (; column + 32 <= h.columns; column += 32) add_columns<2>(h, tile, key, size, column, acc);
  if (column < h.columns) add_columns<1>(h, tile, key, size, column, acc);
}

// At most kGroupRows. after: the rows that follow.
void group_of_rows(const Attention& a, int64_t head, const Head& h, Range queries, Range after, Work& work) {
  const int count = static_cast<int>(queries.size()), tiles = (count + kRows - 1) / kRows,
            shift = attention_shift(a.d);
  const RowsOfHead rows = rows_of_head(a, a.q, head, queries, work.acc);
  with_groups(h.columns, [&](auto groups) { pack_queries<groups, 0x80>(rows, count, a.d, *h.step, work.q); });
  reset(work.state, tiles, work.acc, tiles * kRows * h.columns);
  NextRows next(a, head, after, (h.keys + kKeyBlock - 1) / kKeyBlock);
  for (int64_t key = 0; key < h.keys; key += kKeyBlock) {
    next.fetch();
    const int size = static_cast<int>(h.keys - key < kKeyBlock ? h.keys - key : kKeyBlock);
    for (int i = 0; i < tiles; ++i) {
      const int row = i * kRows;
      scores(h, work.q.codes[row], shift, key, size, work.tile);
      softmax(work.tile, work.state[i], work.q.c + row, work.q.mult + row, work.q.bits + row, h.there, size,
              key + kKeyBlock <= a.keys);
      add_values(h, work.tile, key, size, work.acc + row * h.columns);
    }
  }
  write_rows<kRows>(a, head, h, queries, work.q.c, work.state, work.acc);
}

void rows(const Attention& a, int64_t head, const std::byte* packed, Range queries) {
  const Head h(a, packed);
  Work work;
  for_each_group<kGroupRows>(
      queries, [&](Range group, Range after) { group_of_rows(a, head, h, group, after, work); });
}

}  // namespace

const AttentionKernel kAttentionAvx512Vnni = {packed_bytes, pack, rows};

}  // namespace vqt::cpu
