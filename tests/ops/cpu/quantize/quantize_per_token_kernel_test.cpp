#include "cpu/quantize/quantize_per_token_kernel.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "tests/case_random.h"

namespace vqt::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

struct Rows {
  std::vector<uint8_t> q;
  std::vector<float> scale;
  std::vector<int32_t> zero, sum;
};

// a.out says k_pad and tile. q comes back row-major.
Rows quantize(Isa isa, QuantizeRowsJob a, const std::vector<float>& x, int64_t rows, int64_t split = 0) {
  Rows r;
  std::vector<uint8_t> q(rows * a.out.k_pad, 0xee);
  r.scale.assign(rows, -1.0f);
  r.zero.assign(rows, -1);
  r.sum.assign(rows, -1);
  a.out.rows = rows;
  a.out.q = q.data();
  a.out.scale = r.scale.data();
  a.out.zero = r.zero.data();
  a.out.sum = r.sum.data();
  a.x = x.data();
  const QuantizeRowsFn kernel = quantize_rows_kernel(isa);
  kernel(a, split, rows);
  kernel(a, 0, split);
  for (int64_t row = 0; row < rows; ++row) {
    for (int64_t k = 0; k < a.out.k_pad; ++k) r.q.push_back(q[a.out.offset(row, k / 4 * 4) + k % 4]);
  }
  return r;
}

Rows quantize_one(Isa isa, const std::vector<float>& x, bool symmetric) {
  QuantizeRowsJob a;
  a.k = a.out.k_pad = a.x_stride = static_cast<int64_t>(x.size());
  a.symmetric = symmetric;
  return quantize(isa, a, x, 1);
}

class QuantizePerToken : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this CPU";
  }
};

TEST_P(QuantizePerToken, AsymmetricByHand) {
  // range -1..4: scale 5/255, zero 51
  const Rows r = quantize_one(GetParam(), {-1.0f, 0.0f, 1.0f, 4.0f}, false);
  EXPECT_EQ(r.scale[0], 5.0f / 255.0f);
  EXPECT_EQ(r.zero[0], 51);
  EXPECT_EQ(r.q, (std::vector<uint8_t>{0, 51, 102, 255}));
  EXPECT_EQ(r.sum[0], 408);
}

TEST_P(QuantizePerToken, TheRangeIsWidenedToHoldZero) {
  const Rows positive = quantize_one(GetParam(), {255.0f, 51.0f}, false);
  EXPECT_EQ(positive.scale[0], 1.0f);
  EXPECT_EQ(positive.zero[0], 0);
  EXPECT_EQ(positive.q, (std::vector<uint8_t>{255, 51}));
  const Rows negative = quantize_one(GetParam(), {-255.0f, -51.0f}, false);
  EXPECT_EQ(negative.zero[0], 255);
  EXPECT_EQ(negative.q, (std::vector<uint8_t>{0, 204}));
}

TEST_P(QuantizePerToken, HalvesGoToEvenAfterTheZeroPointIsAdded) {
  QuantizeRowsJob a;
  a.k = a.out.k_pad = a.x_stride = 5;
  a.dynamic = false;
  a.static_scale = 1.0f;
  a.static_zero = 3;
  // 0.5 + 3 = 3.5 -> 4, 1.5 + 3 = 4.5 -> 4; rounding x first would give 3 and 5
  const Rows r = quantize(GetParam(), a, {0.5f, 1.5f, 2.5f, -0.5f, -1.5f}, 1);
  EXPECT_EQ(r.q, (std::vector<uint8_t>{4, 4, 6, 2, 2}));
}

TEST_P(QuantizePerToken, SymmetricByHand) {
  const Rows r = quantize_one(GetParam(), {-127.0f, 0.5f, 1.5f, 63.0f, -2.5f}, true);
  EXPECT_EQ(r.scale[0], 1.0f);
  EXPECT_EQ(r.zero[0], 128);
  EXPECT_EQ(r.q, (std::vector<uint8_t>{1, 128, 130, 191, 126}));
}

TEST_P(QuantizePerToken, StaticValuesFarOutsideSaturate) {
  QuantizeRowsJob a;
  a.k = a.out.k_pad = a.x_stride = 4;
  a.dynamic = false;
  a.static_scale = 1e-3f;
  a.static_zero = 10;
  EXPECT_EQ(quantize(GetParam(), a, {3e38f, -3e38f, 1e20f, -0.005f}, 1).q,
            (std::vector<uint8_t>{255, 0, 255, 5}));
  a.symmetric = true;
  a.static_zero = 0;
  EXPECT_EQ(quantize(GetParam(), a, {3e38f, -3e38f, 1e20f, -0.005f}, 1).q,
            (std::vector<uint8_t>{255, 1, 255, 123}));
}

TEST_P(QuantizePerToken, ZerosAndDenormalsBecomeTheZeroPoint) {
  for (const float tiny : {0.0f, -0.0f, 1.4e-45f, 8e-44f}) {
    const Rows asymmetric = quantize_one(GetParam(), {tiny, tiny, -tiny}, false);
    EXPECT_EQ(asymmetric.scale[0], 1.0f);
    EXPECT_EQ(asymmetric.zero[0], 0);
    EXPECT_EQ(asymmetric.q, (std::vector<uint8_t>{0, 0, 0}));
    const Rows symmetric = quantize_one(GetParam(), {tiny, tiny, -tiny}, true);
    EXPECT_EQ(symmetric.scale[0], 1.0f);
    EXPECT_EQ(symmetric.q, (std::vector<uint8_t>{128, 128, 128}));
  }
}

TEST_P(QuantizePerToken, ARowThatIsNotFiniteIsNanAndLeavesTheOthersAlone) {
  for (const bool symmetric : {false, true}) {
    for (const bool dynamic : {true, false}) {
      for (const float bad : {kNan, -kNan, kInf, -kInf}) {
        for (int64_t at = 0; at < 45; ++at) {
          QuantizeRowsJob a;
          a.k = a.x_stride = 45;
          a.out.k_pad = 48;
          a.symmetric = symmetric;
          a.dynamic = dynamic;
          std::vector<float> x(3 * 45, 0.25f);
          const Rows good = quantize(GetParam(), a, x, 3);
          x[45 + at] = bad;
          const Rows r = quantize(GetParam(), a, x, 3);
          EXPECT_TRUE(std::isnan(r.scale[1])) << at;
          EXPECT_EQ(r.zero[1], 0);
          EXPECT_EQ(r.sum[1], 0);
          EXPECT_EQ(std::vector<uint8_t>(r.q.begin() + 48, r.q.begin() + 96), std::vector<uint8_t>(48, 0));
          for (const int row : {0, 2}) {
            EXPECT_EQ(r.scale[row], good.scale[row]);
            EXPECT_EQ(r.sum[row], good.sum[row]);
            EXPECT_EQ(std::memcmp(&r.q[row * 48], &good.q[row * 48], 48), 0);
          }
        }
      }
    }
  }
}

TEST_P(QuantizePerToken, ARangeBeyondFloat32HasAFiniteScale) {
  const Rows r = quantize_one(GetParam(), {3e38f, -3e38f, 1e38f, 0.0f}, false);
  EXPECT_EQ(r.scale[0], 3e38f / 255.0f + 3e38f / 255.0f);
  EXPECT_EQ(r.zero[0], 128);
  EXPECT_EQ(std::vector<uint8_t>(r.q.begin(), r.q.begin() + 4), (std::vector<uint8_t>{255, 0, 170, 128}));
  const Rows s = quantize_one(GetParam(), {3e38f, -3e38f, 1e38f, 0.0f}, true);
  EXPECT_EQ(s.scale[0], 3e38f / 127.0f);
  EXPECT_EQ(std::vector<uint8_t>(s.q.begin(), s.q.begin() + 4), (std::vector<uint8_t>{255, 1, 170, 128}));
}

// Every length around the vector widths, values over the whole float range and many exact halves, any tile.
TEST_P(QuantizePerToken, EqualsTheReferenceBitForBit) {
  for (int64_t k = 1; k <= 140; ++k) {
    for (int mode = 0; mode < 8; ++mode) {
      CaseRandom random({k, mode});
      if (random.left_out()) continue;
      std::normal_distribution<float> normal;
      QuantizeRowsJob a;
      a.k = k;
      a.x_stride = k + mode % 3;
      a.out.k_pad = activation_depth(k);
      a.symmetric = mode & 1;
      a.dynamic = mode & 2;
      a.static_scale = 0.5f;
      a.static_zero = a.symmetric ? 0 : 117;
      const int64_t rows = 5 + k % 4 * 7;
      std::vector<float> x(rows * a.x_stride);
      for (int64_t r = 0; r < rows; ++r) {
        const float spread = std::ldexp(1.0f, static_cast<int>(random() % 200) - 100);
        const float shift = r % 2 != 0 ? 3.0f : 0.0f;
        for (int64_t i = 0; i < a.x_stride; ++i) {
          float v = normal(random) + shift;
          if (mode & 4) v = std::round(v * 8) / 4;  // quarters: halves and ties against scale 0.5
          x[r * a.x_stride + i] = a.dynamic ? v * spread : v * 20;
        }
      }
      const Rows want = quantize(Isa::kRef, a, x, rows);
      for (const int64_t tile : {1, 12}) {
        const std::string what =
            "k " + std::to_string(k) + " mode " + std::to_string(mode) + " tile " + std::to_string(tile);
        a.out.tile = tile;
        const Rows got = quantize(GetParam(), a, x, rows, 1 + random() % (rows - 1));
        ASSERT_EQ(got.q, want.q) << what;
        ASSERT_EQ(got.scale, want.scale) << what;
        ASSERT_EQ(got.zero, want.zero) << what;
        ASSERT_EQ(got.sum, want.sum) << what;
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, QuantizePerToken, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace vqt::cpu
