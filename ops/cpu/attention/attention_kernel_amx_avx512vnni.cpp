// Attention with AMX: tiles of 16 rows by 16 keys or columns, of which one instruction multiplies 64 values a
// lane. The layouts are AVX512-VNNI's: a panel of k or v is what a tile register reads. Named after its vectors,
// whose flags it needs: the tiles' instructions are in assembler.
//
// Products take a third of the time, the softmax half. The scores of the next tile, or the sums of the one
// before, woven between the rows of the softmax or put before it, cost more than they hide (docs/attention.md).

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include "cpu/attention/attention_softmax_avx512.h"

namespace vqt::cpu {
namespace {

constexpr int kRows = 16;
constexpr int kTiles = 4;
constexpr int kGroupRows = kRows * kTiles;

// Tile registers. Rows of q and codes stay in theirs for all panels of a step.
constexpr int kSum = 0, kW = 1;
constexpr int kQ = 2, kLastQ = 3, kLastK = 4;  // 64 values of d; the last ones, 64 or fewer
constexpr int kCodes = 5, kMoreCodes = 6;      // of 64 keys each

template <int kTile>
inline void load_tile(const void* p, int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(p), "r"(stride), "i"(kTile) : "memory");
}
template <int kTile>
inline void store_tile(void* p, int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(p), "r"(stride), "i"(kTile) : "memory");
}
// kSum += product.
template <int kRowsTile, int kPanelTile>
inline void dot_s8_s8() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kRowsTile), "i"(kPanelTile));
}
template <int kRowsTile, int kPanelTile>
inline void dot_u8_s8() {
  asm volatile("tdpbusd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(kSum), "i"(kRowsTile), "i"(kPanelTile));
}
inline void clear_sum() { asm volatile("tilezero %%tmm%c0" : : "i"(kSum)); }

// The tiles' shapes, and what was set before them: libraries keep their own from call to call.
class TileShapes {
 public:
  explicit TileShapes(int64_t columns) {
    asm volatile("sttilecfg %0" : "=m"(before_));
    Config config;
    const auto set = [&](int tile, int64_t rows, int64_t bytes) {
      config.rows[tile] = static_cast<uint8_t>(rows);
      config.bytes[tile] = static_cast<uint16_t>(bytes);
    };
    config.palette = 1;
    for (const int tile : {kSum, kW, kQ, kCodes, kMoreCodes}) set(tile, 16, 64);
    const int64_t last = columns - (columns - 1) / 64 * 64;
    set(kLastQ, 16, last);
    set(kLastK, last / 4, 64);
    asm volatile("ldtilecfg %0" : : "m"(config));
  }
  ~TileShapes() { asm volatile("ldtilecfg %0" : : "m"(before_)); }
  TileShapes(const TileShapes&) = delete;
  TileShapes& operator=(const TileShapes&) = delete;

 private:
  struct alignas(64) Config {
    uint8_t palette = 0, start = 0, reserved[14] = {};
    uint16_t bytes[16] = {};
    uint8_t rows[16] = {};
  };
  Config before_;
};

// Of one step.
struct Step {
  alignas(64) int32_t dots[kRows][kKeyBlock];  // scores, not yet of 16 bits
  alignas(64) uint8_t code[kRows][kKeyBlock];
  alignas(64) int32_t top[kRows];
  alignas(64) int32_t sum[kRows][16];
  alignas(64) float alpha[kRows], beta[kRows];
};

struct Work {
  QueryRows<kGroupRows> q;
  Step step;
  RowState state[kTiles];
  alignas(64) int32_t o[kRows * kMaxAttentionHeadSize];       // [row][columns], of one step
  alignas(64) float acc[kGroupRows * kMaxAttentionHeadSize];  // [row][columns]
};

inline void load_queries(const uint8_t* q, int64_t columns) {
  if (columns > 64) load_tile<kQ>(q, kPitch);
  load_tile<kLastQ>(q + (columns - 1) / 64 * 64, kPitch);
}

// Of 16 keys.
inline void score_panel(const Head& h, int64_t key, int panel, Step& step) {
  const int8_t* k = h.k + (key + 16 * panel) * h.columns;
  clear_sum();
  if (h.columns > 64) {
    load_tile<kW>(k, 64);
    dot_s8_s8<kQ, kW>();
    k += 64 * 16;
  }
  load_tile<kLastK>(k, 64);
  dot_s8_s8<kLastQ, kLastK>();
  store_tile<kSum>(step.dots[0] + 16 * panel, sizeof step.dots[0]);
}

inline void load_codes(const Step& step, int size) {
  load_tile<kCodes>(step.code[0], sizeof step.code[0]);
  if (size > 64) load_tile<kMoreCodes>(step.code[0] + 64, sizeof step.code[0]);
}

// Of 16 columns. The last 32 keys may be followed by what is no key's; its codes are 0.
inline void value_panel(const Head& h, int64_t key, int size, int panel, int32_t* o) {
  const int8_t* v = h.v + key * h.columns + 16 * panel * size;
  clear_sum();
  load_tile<kW>(v, 64);
  dot_u8_s8<kCodes, kW>();
  if (size > 64) {
    load_tile<kW>(v + 64 * 16, 64);
    dot_u8_s8<kMoreCodes, kW>();
  }
  store_tile<kSum>(o + 16 * panel, h.columns * static_cast<int64_t>(sizeof(int32_t)));
}

struct RowScores {
  __m512i score[4];
  __m128i top;
};

// kWhole: a block of 128 keys, all there.
template <bool kWhole>
inline __attribute__((always_inline)) RowScores find_scores(const int16_t* k_mult, const int16_t* there,
                                                            int size, __m128i shift, int r,
                                                            const Step& step) {
  RowScores row;
  __m512i most = all16(-32768);
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    row.score[i] = all16(-32768);
    if (!kWhole && 32 * i >= size) continue;
    const int32_t* dots = step.dots[r] + 32 * i;
    const __m512i s = _mm512_packs_epi32(_mm512_sra_epi32(_mm512_load_si512(dots), shift),
                                         _mm512_sra_epi32(_mm512_load_si512(dots + 16), shift));
    row.score[i] = _mm512_mulhrs_epi16(s, _mm512_loadu_si512(k_mult + 32 * i));
    if (!kWhole) {
      const __m512i exists = _mm512_load_si512(there + 32 * i);
      row.score[i] =
          _mm512_mask_mov_epi16(all16(-32768), _mm512_test_epi16_mask(exists, exists), row.score[i]);
    }
    most = i == 0 ? row.score[0] : _mm512_max_epi16(most, row.score[i]);
  }
  row.top = largest_score(most);
  return row;
}

template <bool kWhole>
inline __attribute__((always_inline)) void find_codes(const RowScores& row, const int16_t* there, int size,
                                                      uint16_t mult, uint16_t bits, int r, Step& step) {
  step.top[r] = static_cast<int16_t>(_mm_cvtsi128_si32(row.top));
  Weights weights(_mm512_broadcastw_epi16(row.top), mult, bits);
  __m512i code[4];
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    code[i] = _mm512_setzero_si512();
    if (!kWhole && 32 * i >= size) continue;
    code[i] = weights(row.score[i], kWhole ? all16(1) : _mm512_load_si512(there + 32 * i));
  }
#pragma GCC unroll 2
  for (int i = 0; i < 4; i += 2) {
    if (!kWhole && size - 32 * i == 32) {
      _mm512_store_si512(step.code[r] + 32 * i, _mm512_zextsi256_si512(_mm512_cvtepi16_epi8(code[i])));
    } else {
      _mm512_store_si512(step.code[r] + 32 * i, _mm512_packus_epi16(code[i], code[i + 1]));
    }
  }
  _mm512_store_si512(step.sum[r], weights.sum);
}

template <int kGroups>
inline void add_values(const float* ratios, const Step& step, const int32_t* sums, float* acc) {
  __m512 ratio[kGroups];
#pragma GCC unroll 8
  for (int j = 0; j < kGroups; ++j) ratio[j] = _mm512_loadu_ps(ratios + 16 * j);
  for (int r = 0; r < kRows; ++r, acc += 16 * kGroups, sums += 16 * kGroups) {
    const __m512 alpha = _mm512_set1_ps(step.alpha[r]), beta = _mm512_set1_ps(step.beta[r]);
#pragma GCC unroll 8
    for (int j = 0; j < kGroups; ++j) {
      const __m512 o = _mm512_cvtepi32_ps(_mm512_load_si512(sums + 16 * j));
      const __m512 old = _mm512_mul_ps(_mm512_load_ps(acc + 16 * j), alpha);
      _mm512_store_ps(acc + 16 * j, _mm512_fmadd_ps(o, _mm512_mul_ps(beta, ratio[j]), old));
    }
  }
}

// A tile of rows takes in a block of keys.
template <bool kWhole>
void softmax(const Head& h, int64_t key, int size, __m128i shift, const float* c, const uint16_t* mult,
             const uint16_t* bits, RowState& state, Step& step) {
  const int16_t* k_mult = h.k_mult + key;
  RowScores next = find_scores<kWhole>(k_mult, h.there, size, shift, 0, step);
  for (int r = 0; r < kRows; ++r) {
    const RowScores scores = next;
    if (r + 1 < kRows) next = find_scores<kWhole>(k_mult, h.there, size, shift, r + 1, step);
    find_codes<kWhole>(scores, h.there, size, mult[r], bits[r], r, step);
  }
  take_in_block<kRows>(step.top, step.sum, c, state, step.alpha, step.beta);
}

// At most kGroupRows. after: the rows that follow.
template <int kGroups>
void group_of_rows(const Attention& a, int64_t head, const Head& h, Range queries, Range after, Work& work) {
  const int count = static_cast<int>(queries.size()), tiles = (count + kRows - 1) / kRows;
  pack_queries<kGroups, 0>(rows_of_head(a, a.q, head, queries, work.acc), count, a.d, *h.step, work.q);
  reset(work.state, tiles, work.acc, tiles * kRows * h.columns);
  const __m128i shift = _mm_cvtsi32_si128(attention_shift(a.d));
  NextRows next(a, head, after, (h.keys + kKeyBlock - 1) / kKeyBlock);
  for (int64_t key = 0; key < h.keys; key += kKeyBlock) {
    next.fetch();
    const int size = static_cast<int>(h.keys - key < kKeyBlock ? h.keys - key : kKeyBlock);
    for (int i = 0; i < tiles; ++i) {
      const int row = i * kRows;
      load_queries(work.q.codes[row], h.columns);
      for (int panel = 0; panel * 16 < size; ++panel) score_panel(h, key, panel, work.step);
      if (key + kKeyBlock <= a.keys) {
        softmax<true>(h, key, size, shift, work.q.c + row, work.q.mult + row, work.q.bits + row,
                      work.state[i], work.step);
      } else {
        softmax<false>(h, key, size, shift, work.q.c + row, work.q.mult + row, work.q.bits + row,
                       work.state[i], work.step);
      }
      load_codes(work.step, size);
      for (int panel = 0; panel < kGroups; ++panel) value_panel(h, key, size, panel, work.o);
      add_values<kGroups>(h.v_ratio + key / kKeyBlock * h.columns, work.step, work.o,
                          work.acc + row * h.columns);
    }
  }
  write_rows<kRows>(a, head, h, queries, work.q.c, work.state, work.acc);
}

void rows(const Attention& a, int64_t head, const std::byte* packed, Range queries) {
  const Head h(a, packed);
  Work work;
  const TileShapes shapes(h.columns);
  with_groups(h.columns, [&](auto groups) {
    for_each_group<kGroupRows>(
        queries, [&](Range group, Range after) { group_of_rows<groups>(a, head, h, group, after, work); });
  });
}

}  // namespace

const AttentionKernel kAttentionAmx = {packed_bytes, pack, rows};

}  // namespace vqt::cpu
