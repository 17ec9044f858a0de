// Four rows at a time: their ranges in one pass each, then 64 values of each at a step become bytes, whose
// 32-bit groups are transposed, so that 4 values of k of the four rows are 16 bytes of the tile. The next
// four rows are prefetched meanwhile.

// The headers of g++ 12 cause these warnings (GCC bug 105593).
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

#include <immintrin.h>

#include <type_traits>

#include "cpu/quantize/asymmetric_scale.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "cpu/simd/avx512vnni.h"
#include "cpu/simd/rounding_avx512.h"

namespace vqt::cpu {
namespace {

constexpr int kGroupRows = 4;
constexpr int64_t kStepValues = 64;  // values of a row

struct RowRange {
  float min, max;  // widened to hold 0
  bool finite;
};

RowRange row_range(const float* x, int64_t k) {
  __m512 min[4], max[4], nothing[4];  // nothing: a sum of x * 0, NaN where x is not finite
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) min[i] = max[i] = nothing[i] = _mm512_setzero_ps();
  const auto take = [&](int i, __m512 v) __attribute__((always_inline)) {
    min[i] = _mm512_min_ps(v, min[i]);
    max[i] = _mm512_max_ps(v, max[i]);
    nothing[i] = _mm512_fmadd_ps(v, _mm512_setzero_ps(), nothing[i]);
  };
  int64_t i = 0;
  for (; i + 64 <= k; i += 64) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) take(j, _mm512_loadu_ps(x + i + 16 * j));
  }
  for (; i + 16 <= k; i += 16) take(0, _mm512_loadu_ps(x + i));
  if (i < k) take(1, _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << (k - i)) - 1), x + i));
#pragma GCC unroll 4
  for (int j = 1; j < 4; ++j) {
    min[0] = _mm512_min_ps(min[0], min[j]);
    max[0] = _mm512_max_ps(max[0], max[j]);
    nothing[0] = _mm512_add_ps(nothing[0], nothing[j]);
  }
  return {_mm512_reduce_min_ps(min[0]), _mm512_reduce_max_ps(max[0]),
          _mm512_cmp_ps_mask(nothing[0], nothing[0], _CMP_UNORD_Q) == 0};
}

struct RowParameters {
  float scale = 1.0f;
  int32_t zero = 0;
  bool finite = false;
};

RowParameters parameters(const QuantizeRowsJob& a, const RowRange& range) {
  RowParameters p = {a.static_scale, a.symmetric ? 128 : a.static_zero, range.finite};
  if (a.dynamic && a.symmetric) {
    p.scale = (range.max > -range.min ? range.max : -range.min) / 127.0f;
    if (p.scale == 0.0f) p.scale = 1.0f;
  } else if (a.dynamic) {
    p.scale = asymmetric_scale(range.min, range.max, 255.0f);
    const float ratio = -range.min / p.scale;
    p.zero = p.scale == 0.0f ? 0 : _mm_cvtss_si32(_mm_set_ss(ratio > 255.0f ? 255.0f : ratio));
    if (p.scale == 0.0f) p.scale = 1.0f;
  }
  return p;
}

// The bytes of a step whose k is below `left`, in to_bytes' order.
__mmask64 first_bytes(int64_t left) {
  const __m512i lane = _mm512_set_epi32(12, 12, 12, 12, 8, 8, 8, 8, 4, 4, 4, 4, 0, 0, 0, 0);
  const __m512i k = _mm512_add_epi32(_mm512_mullo_epi32(lane, _mm512_set1_epi32(0x01010101)),
                                     _mm512_set4_epi32(0x33323130, 0x23222120, 0x13121110, 0x03020100));
  return _mm512_cmplt_epu8_mask(k, _mm512_set1_epi8(static_cast<char>(left)));
}

// The next 64 values of a row, `left` if fewer, as stored bytes: 32 bits j of lane i (of 128 bits) are the 4
// values of k from 16 j + 4 i on.
template <Method kMethod, bool kSymmetric, bool kWhole>
inline __attribute__((always_inline)) __m512i to_bytes(const float* x, int64_t left, const Rounding& round,
                                                       __mmask64 keep) {
  const uint64_t some = kWhole ? ~uint64_t{0} : (uint64_t{1} << left) - 1;
  if (!kWhole) keep &= first_bytes(left);
  __m512i v[4];
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    const auto wanted = static_cast<__mmask16>(some >> (16 * j));
    const __m512 values = kWhole ? _mm512_loadu_ps(x + 16 * j) : _mm512_maskz_loadu_ps(wanted, x + 16 * j);
    v[j] = round.template operator()<kMethod>(values);
  }
  const __m512i low = _mm512_packs_epi32(v[0], v[1]), high = _mm512_packs_epi32(v[2], v[3]);
  if (!kSymmetric) return _mm512_maskz_packus_epi16(keep, low, high);
  const __m512i bytes = _mm512_xor_si512(_mm512_packs_epi16(low, high), _mm512_set1_epi8(-128));
  return _mm512_maskz_mov_epi8(keep, bytes);
}

// A row of a tile of one: its bytes in order.
inline void store_row(__m512i v, uint8_t* q, int64_t left) {
  const __m512i in_order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
  const __mmask64 wanted = left >= kStepValues ? ~__mmask64{0} : (__mmask64{1} << left) - 1;
  _mm512_mask_storeu_epi8(q, wanted, _mm512_permutexvar_epi32(in_order, v));
}

// The first `count` rows of a tile: 4 values of k of all of them side by side, the next 4
// `pitch` bytes further.
template <bool kWhole>
inline __attribute__((always_inline)) void store_rows(const __m512i (&v)[kGroupRows], int64_t count,
                                                      uint8_t* q, int64_t pitch, int64_t left) {
  const __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]),
                c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
  const __m512i t[4] = {_mm512_unpacklo_epi64(a, c), _mm512_unpackhi_epi64(a, c), _mm512_unpacklo_epi64(b, d),
                        _mm512_unpackhi_epi64(b, d)};
  const auto rows = static_cast<__mmask8>((1 << count) - 1);
  const auto store = [&](int j, __m128i four) __attribute__((always_inline)) {
    if (kWhole || 4 * j < left) _mm_mask_storeu_epi32(q + j * pitch, rows, four);
  };
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    store(4 * j, _mm512_castsi512_si128(t[j]));
    store(4 * j + 1, _mm512_extracti32x4_epi32(t[j], 1));
    store(4 * j + 2, _mm512_extracti32x4_epi32(t[j], 2));
    store(4 * j + 3, _mm512_extracti32x4_epi32(t[j], 3));
  }
}

// Up to four rows from `row` on, of one tile or each in its own.
struct RowGroup {
  int64_t row, count;
  const float* x[kGroupRows];  // rows that are not there: the last one again
  RowParameters p[kGroupRows];
};

template <Method kMethod, bool kSymmetric>
void quantize_group(const QuantizeRowsJob& a, const RowGroup& g) {
  Rounding round[kGroupRows];
  __mmask64 keep[kGroupRows];  // all bytes, or none of a row that is not finite
  __m512i sum[kGroupRows];
#pragma GCC unroll 4
  for (int r = 0; r < kGroupRows; ++r) {
    round[r] = Rounding(g.p[r].scale, g.p[r].zero, kSymmetric, kMethod);
    keep[r] = g.p[r].finite ? ~__mmask64{0} : 0;
    sum[r] = _mm512_setzero_si512();
  }
  // Copies: a byte that is stored might otherwise be one of theirs.
  const float* const x[kGroupRows] = {g.x[0], g.x[1], g.x[2], g.x[3]};
  uint8_t* const q = a.out.q + a.out.offset(g.row, 0);
  const bool tall = a.out.tile != 1;
  const int64_t height = tall ? a.out.height(a.out.first(g.row)) : 1;
  const int64_t depth = a.k, pad = a.out.k_pad, count = g.count, ahead = g.count * a.x_stride;
  const auto step = [&](auto whole, int64_t k) __attribute__((always_inline)) {
    __m512i v[kGroupRows];
#pragma GCC unroll 4
    for (int r = 0; r < kGroupRows; ++r) {
      v[r] = _mm512_setzero_si512();
      if (whole || k < depth)
        v[r] = to_bytes<kMethod, kSymmetric, whole>(x[r] + k, depth - k, round[r], keep[r]);
      dot4(sum[r], v[r], _mm512_set1_epi8(1));
#pragma GCC unroll 4
      for (int line = 0; line < 4; ++line) {
        if (whole) _mm_prefetch(reinterpret_cast<const char*>(x[r] + ahead + k + 16 * line), _MM_HINT_T1);
      }
    }
    if (tall) {
      store_rows<whole>(v, count, q + k * height, 4 * height, pad - k);
    } else {
#pragma GCC unroll 4
      for (int r = 0; r < kGroupRows; ++r) {
        if (r < count) store_row(v[r], q + r * pad + k, pad - k);
      }
    }
  };
  int64_t k = 0;
  for (; k + kStepValues <= depth; k += kStepValues) step(std::true_type(), k);
  for (; k < pad; k += kStepValues) step(std::false_type(), k);
  for (int64_t r = 0; r < g.count; ++r) {
    const RowParameters& p = g.p[r];
    a.out.scale[g.row + r] = p.finite ? p.scale : __builtin_nanf("");
    a.out.zero[g.row + r] = p.finite ? p.zero : 0;
    if (a.out.sum != nullptr) a.out.sum[g.row + r] = _mm512_reduce_add_epi32(sum[r]);
  }
}

using GroupFn = void (*)(const QuantizeRowsJob& a, const RowGroup& g);

template <bool kSymmetric>
constexpr GroupFn kMethods[] = {quantize_group<Method::kReciprocal, kSymmetric>,
                                quantize_group<Method::kClampedReciprocal, kSymmetric>,
                                quantize_group<Method::kDivision, kSymmetric>};

}  // namespace

void quantize_rows_avx512vnni(const QuantizeRowsJob& a, int64_t row_begin, int64_t row_end) {
  RowGroup g;
  for (g.row = row_begin; g.row < row_end; g.row += g.count) {
    const int64_t first = a.out.first(g.row), tile_end = first + a.out.height(first);
    const int64_t end = a.out.tile == 1 || row_end < tile_end ? row_end : tile_end;
    g.count = end - g.row < kGroupRows ? end - g.row : kGroupRows;
    Method method = method_for(1.0f, !a.dynamic);
    for (int64_t r = 0; r < kGroupRows; ++r) {
      const bool there = r < g.count;
      g.x[r] = there ? a.x + (g.row + r) * a.x_stride : g.x[r - 1];
      g.p[r] = there ? parameters(a, row_range(g.x[r], a.k)) : g.p[r - 1];
      if (g.p[r].finite && !Divisor::takes(g.p[r].scale)) method = Method::kDivision;
    }
    (a.symmetric ? kMethods<true> : kMethods<false>)[static_cast<int>(method)](a, g);
  }
}

}  // namespace vqt::cpu
