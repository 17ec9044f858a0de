// From float32 to the u8 of a quantized activation (quantize_per_token_kernel.h), 16 values at a time. For
// files named *_avx512vnni.cpp only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace vqt::cpu {
namespace {

// x / b by b's reciprocal: a division takes as long as ten multiplications.
//
// y = round(1 / b), q = round(x y), r = round(x - q b): then round(q + r y) is round(x / b), always. q is off
// by up to 1.5 units in the last place, which leaves an error of less than 6 of the steps by which a quotient
// can lie nearer to or further from a rounding boundary: tests/ops/cpu/quantize/quotient_test.cpp tries all
// that lie so near. r must not be rounded where float32's range ends. With b from kLeast to kMost that takes
// quotients below 2^-20, which round to the integer 0 anyway, or beyond 2^27, which the caller keeps out.
struct Divisor {
  __m512 b, reciprocal;

  static constexpr float kLeast = 0x1p-80f, kMost = 0x1p100f;
  explicit Divisor(float value) : b(_mm512_set1_ps(value)), reciprocal(_mm512_set1_ps(1.0f / value)) {}
  static bool takes(float value) { return kLeast <= value && value <= kMost; }

  __m512 quotient(__m512 x) const {
    const __m512 q = _mm512_mul_ps(x, reciprocal);
    return _mm512_fmadd_ps(_mm512_fnmadd_ps(q, b, x), reciprocal, q);
  }
};

enum class Method {
  kReciprocal,         // of values of the range the scale was made for: what rounds outside saturates later
  kClampedReciprocal,  // of any values: x is clamped first
  kDivision            // scales that the reciprocal is not for
};
inline Method method_for(float scale, bool any_values) {
  if (!Divisor::takes(scale)) return Method::kDivision;
  return any_values ? Method::kClampedReciprocal : Method::kReciprocal;
}

struct Rounding {
  Divisor scale{1.0f};
  __m512 before = _mm512_setzero_ps();  // added before rounding
  __m512 low = before, high = before;   // bounds: of x, with kDivision of what is rounded

  Rounding() = default;
  Rounding(float divisor, int32_t zero, bool symmetric, Method method) : scale(divisor) {
    const float added = symmetric ? 0.0f : static_cast<float>(zero);
    float least = symmetric ? -127.0f : 0.0f, most = symmetric ? 127.0f : 255.0f;
    if (method == Method::kClampedReciprocal) {  // their own quotients round to the ends
      least = (least - added) * divisor;
      most = (most - added) * divisor;
    }
    before = _mm512_set1_ps(added);
    low = _mm512_set1_ps(least);
    high = _mm512_set1_ps(most);
  }

  // The stored value as int32, but 128 less if symmetric. NaN: any.
  template <Method kMethod>
  __m512i operator()(__m512 x) const {
    if (kMethod == Method::kClampedReciprocal) x = _mm512_min_ps(_mm512_max_ps(x, low), high);
    __m512 v = kMethod == Method::kDivision ? _mm512_div_ps(x, scale.b) : scale.quotient(x);
    v = _mm512_add_ps(v, before);
    if (kMethod == Method::kDivision) v = _mm512_min_ps(_mm512_max_ps(v, low), high);
    return _mm512_cvtps_epi32(v);
  }
};

}  // namespace
}  // namespace vqt::cpu
