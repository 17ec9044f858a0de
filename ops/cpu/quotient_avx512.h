// x / b by b's reciprocal: a division takes as long as ten multiplications. For files named *_avx512vnni.cpp
// only.
//
// y = round(1 / b), q = round(x y), r = round(x - q b): round(q + r y) is round(x / b), always. A q that is
// off by up to 1.5 units in the last place leaves an error of less than 6 / 2^24 of what the nearest quotient
// lies from a rounding boundary at best; tests/ops/cpu/quotient_test.cpp goes through all that lie so near.
// What must not happen is that r is rounded where float32 ends: with b from kLeast to kMost that takes an x
// of less than 2^-20 b, and those have to be quotients the caller rounds to 0 anyway, or an x beyond 2^27 b.
#pragma once

#include <immintrin.h>

namespace vqt::cpu {
namespace {

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

}  // namespace
}  // namespace vqt::cpu
