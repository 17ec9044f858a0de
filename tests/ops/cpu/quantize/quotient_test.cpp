// The proof that rounding_avx512.h refers to: x / b from b's rounded reciprocal in three roundings.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>

namespace vqt::cpu {
namespace {

float quotient(float x, float b) {
  const float y = 1.0f / b, q = x * y;
  return std::fma(std::fma(-q, b, x), y, q);
}

// A quotient can only be wrong where a / b lies next to the middle m of two float32 values. With a and b of
// 24 bits and m an odd number of 25, a 2^shift - m b = d is then a small integer: |d| < 6 by the error of the
// formula. So all of those are tried: every b, every d, every m that solves it.
TEST(Quotient, IsRoundedRightWhereverItLiesNextToABoundary) {
  constexpr uint64_t k23 = uint64_t{1} << 23, k24 = uint64_t{1} << 24, k25 = uint64_t{1} << 25;
  int64_t tried = 0, wrong = 0, wrong_product = 0;
  for (uint64_t b = k23; b < k24; ++b) {
    const int twos = __builtin_ctzll(b);  // d has as many: m is odd
    const uint64_t odd = b >> twos;
    uint64_t inverse = odd;
    for (int i = 0; i < 5; ++i) inverse *= 2 - odd * inverse;
    for (int shift = 24; shift <= 25; ++shift) {  // a >= b, a < b
      const uint64_t modulus = uint64_t{1} << (shift - twos);
      for (int64_t d = int64_t{1} << twos; d <= 8; d += int64_t{2} << twos) {
        for (const int64_t sign : {1, -1}) {
          const uint64_t least = (inverse * static_cast<uint64_t>(-sign * (d >> twos))) & (modulus - 1);
          for (uint64_t m = least + (k24 - least + modulus - 1) / modulus * modulus; m < k25; m += modulus) {
            const uint64_t product = m * b + static_cast<uint64_t>(sign * d), a = product >> shift;
            if (m % 2 == 0 || a < k23 || a >= k24) continue;
            ASSERT_EQ(a << shift, product);
            ++tried;
            const float x = static_cast<float>(a), divisor = static_cast<float>(b);
            wrong += quotient(x, divisor) != x / divisor;
            wrong_product += x * (1.0f / divisor) != x / divisor;
          }
        }
      }
    }
  }
  EXPECT_GT(tried, 40'000'000);
  EXPECT_EQ(wrong, 0);
  EXPECT_GT(wrong_product, tried / 4);  // these are the hard ones
}

}  // namespace
}  // namespace vqt::cpu
