// Against a product in double of what the stored numbers stand for.
#include "cpu/linear/weight_only_kernel.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "cpu/cache_sizes.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

struct Weight {
  PackedHeader header;
  std::vector<float> block;    // floats, for their alignment
  std::vector<double> values;  // [n][k]
};

Weight make_weight(int64_t n, int64_t k, const Scheme& scheme, std::mt19937& random) {
  Weight weight;
  const Layout layout = scheme.bits == 16 ? Layout::kCanonical : fast_layout(k, scheme);
  weight.header = make_header(n, k, scheme, layout);
  weight.block.resize(weight.header.bytes / sizeof(float) + 16);
  std::vector<float> scale(scale_count(n, k, scheme));
  std::vector<int32_t> zero(scale.size());
  for (float& s : scale) s = std::uniform_real_distribution<float>(0.5f, 1.5f)(random) / (1 << scheme.bits);
  const int32_t low = scheme.symmetric ? 1 - (1 << (scheme.bits - 1)) : 0;
  const int32_t high = scheme.symmetric ? -low : (1 << scheme.bits) - 1;
  std::uniform_int_distribution<int32_t> any(low, high);
  if (!scheme.symmetric) {
    for (int32_t& z : zero) z = any(random);
  }
  std::vector<uint8_t> canonical(canonical_bytes(n, k, scheme.bits));
  const int64_t run = scheme.granularity == Granularity::kPerTensor                        ? n * k
                      : scheme.granularity == Granularity::kGroup && scheme.group_size > 0 ? scheme.group_size
                                                                                           : k;
  const int64_t width = scheme.group_size > 0 ? (k + run - 1) / run * run : k;
  for (int64_t i = 0; i < n * k; ++i) {
    const int32_t q = any(random);
    if (scheme.bits == 16) {
      const auto wide = static_cast<int16_t>(q);
      std::memcpy(canonical.data() + 2 * i, &wide, 2);
    } else if (scheme.bits == 8) {
      canonical[i] = static_cast<uint8_t>(q);
    } else {
      const int64_t column = i % k;
      canonical[i / k * ((k + 1) / 2) + column / 2] |= static_cast<uint8_t>((q & 15) << (column % 2 * 4));
    }
    const int64_t at = (i / k * width + i % k) / run;
    weight.values.push_back(static_cast<double>(q - zero[at]) * scale[at]);
  }
  pack(weight.header, canonical.data(), scale.data(), zero.data(),
       reinterpret_cast<uint8_t*>(weight.block.data()));
  return weight;
}

CaseRandom random_of(const Scheme& s) {
  return CaseRandom({s.bits, s.symmetric, static_cast<int64_t>(s.granularity), s.group_size});
}

WeightOnlyJob make_job(const Weight& weight, const std::vector<float>& x, Range columns, const float* bias,
                       std::vector<float>& y) {
  WeightOnlyJob job;
  EXPECT_TRUE(set_weight(job, weight.header, reinterpret_cast<const uint8_t*>(weight.block.data())));
  job.x = x.data();
  job.first_column = columns.begin;
  job.bias = bias;
  job.y = y.data();
  job.y_stride = columns.size();
  return job;
}

std::vector<Scheme> schemes() {
  std::vector<Scheme> all;
  const auto add = [&](int bits, bool symmetric, Granularity granularity, int64_t group = 0) {
    Scheme scheme;
    scheme.bits = bits;
    scheme.symmetric = symmetric;
    scheme.granularity = granularity;
    scheme.group_size = group;
    all.push_back(scheme);
  };
  for (const bool symmetric : {true, false}) {
    add(8, symmetric, Granularity::kPerChannel);
    add(8, symmetric, Granularity::kPerTensor);
    add(4, symmetric, Granularity::kPerChannel);
    for (const int64_t group : {-1, 8, 32, 64}) add(4, symmetric, Granularity::kGroup, group);
  }
  add(16, true, Granularity::kPerChannel);
  add(16, true, Granularity::kPerTensor);
  return all;
}

// rows x columns of y by every instruction set, against double.
void check(const Scheme& scheme, int64_t m, int64_t n, int64_t k, Range columns, bool with_bias) {
  CaseRandom random({scheme.bits, scheme.symmetric, static_cast<int64_t>(scheme.granularity),
                     scheme.group_size, m, n, k, columns.begin, columns.end, with_bias});
  if (random.left_out()) return;
  const Weight weight = make_weight(n, k, scheme, random);
  std::vector<float> x(m * k), bias(columns.size());
  for (float& v : x) v = std::normal_distribution<float>(0.2f, 1.3f)(random);
  for (float& v : bias) v = std::normal_distribution<float>()(random);
  for (const LinearKernel kernel : available_kernels(weight_only_kernel)) {
    std::vector<float> y(m * columns.size() + 1, -7.0f);
    const WeightOnlyJob job = make_job(weight, x, columns, with_bias ? bias.data() : nullptr, y);
    weight_only_kernel(kernel)(job, {0, m}, columns);
    EXPECT_EQ(y.back(), -7.0f) << "wrote past the end";
    double worst = 0.0;
    for (int64_t r = 0; r < m; ++r) {
      for (int64_t c = columns.begin; c < columns.end; ++c) {
        double sum = with_bias ? bias[c - columns.begin] : 0.0, magnitude = 1.0;
        for (int64_t i = 0; i < k; ++i) {
          const double product = x[r * k + i] * weight.values[c * k + i];
          sum += product;
          magnitude += std::fabs(product);
        }
        worst = std::max(worst, std::fabs(sum - y[r * columns.size() + c - columns.begin]) / magnitude);
      }
    }
    EXPECT_LE(worst, 1e-6) << to_string(kernel) << " bits " << scheme.bits << " symmetric "
                           << scheme.symmetric << " group " << scheme.group_size << " m " << m << " n " << n
                           << " k " << k << " columns " << columns.begin << " to " << columns.end;
  }
}

TEST(WeightOnly, EqualsTheProductInDouble) {
  for (const Scheme& scheme : schemes()) {
    for (const int64_t m : {1, 2, 3, 4, 5, 16, 17, 23}) {  // 4 rows at a time in registers; tiles of 6 and 14
      for (const int64_t n : {1, 15, 16, 33, 50}) {
        for (const int64_t k : {1, 7, 8, 33, 64, 96}) check(scheme, m, n, k, {0, n}, k != 8);
      }
    }
  }
}

TEST(WeightOnly, BlocksOfRowsAndOfK) {
  for (const Scheme& scheme : schemes()) {
    check(scheme, 4, 20, 1000, {0, 20}, true);
    check(scheme, 18, 20, 384, {0, 20}, true);   // one block of k (256 or 384), or not
    check(scheme, 18, 20, 1001, {0, 20}, true);  // several, the last a short one
    check(scheme, 230, 17, 264, {0, 17}, true);  // more rows than a block
  }
}

// Row blocks for a small L2 have a few rows each: the same bits.
TEST(WeightOnly, RowBlocksForASmallCacheGiveTheSameBits) {
  for (const Scheme& scheme : schemes()) {
    CaseRandom random = random_of(scheme);
    if (random.left_out()) continue;
    const Weight weight = make_weight(40, 320, scheme, random);
    std::vector<float> x(70 * 320), tuned(70 * 40), small(70 * 40);
    for (float& v : x) v = std::normal_distribution<float>()(random);
    for (const LinearKernel kernel : available_kernels(weight_only_kernel)) {
      weight_only_kernel(kernel)(make_job(weight, x, {0, 40}, nullptr, tuned), {0, 70}, {0, 40});
      set_cache_sizes_for_testing({64 << 10, 64 << 10});
      weight_only_kernel(kernel)(make_job(weight, x, {0, 40}, nullptr, small), {0, 70}, {0, 40});
      reset_cache_sizes_for_testing();
      EXPECT_EQ(tuned, small) << to_string(kernel);
    }
  }
}

TEST(WeightOnly, AnyColumns) {
  for (const Scheme& scheme : schemes()) {
    for (const Range columns : {Range{3, 4}, Range{3, 40}, Range{16, 70}, Range{17, 64}, Range{47, 70}}) {
      for (const int64_t m : {1, 4, 9, 20}) check(scheme, m, 70, 64, columns, true);
    }
  }
}

TEST(WeightOnly, SplitsOfColumnsAndRowsGiveTheSameBits) {
  for (const Scheme& scheme : schemes()) {
    CaseRandom random = random_of(scheme);
    if (random.left_out()) continue;
    const Weight weight = make_weight(80, 320, scheme, random);
    for (const int64_t m : {4, 15, 40}) {
      std::vector<float> x(m * 320), whole(m * 77), parts(m * 77);
      for (float& v : x) v = std::normal_distribution<float>()(random);
      for (const LinearKernel kernel : available_kernels(weight_only_kernel)) {
        const WeightOnlyFn run = weight_only_kernel(kernel);
        run(make_job(weight, x, {3, 80}, nullptr, whole), {0, m}, {3, 80});
        const WeightOnlyJob job = make_job(weight, x, {3, 80}, nullptr, parts);
        for (const Range columns : {Range{3, 16}, Range{16, 64}, Range{64, 80}}) {
          for (const Range rows : {Range{0, 4}, Range{4, std::min<int64_t>(m, 12)}, Range{12, m}}) {
            if (rows.size() > 0) run(job, rows, columns);
          }
        }
        EXPECT_EQ(whole, parts) << to_string(kernel);
      }
    }
  }
}

TEST(WeightOnly, NanAndInfFollowTheRulesOfFloatAndTouchNoOtherRow) {
  for (const Scheme& scheme : schemes()) {
    CaseRandom random = random_of(scheme);
    if (random.left_out()) continue;
    const int64_t n = 20, k = 64;
    const Weight weight = make_weight(n, k, scheme, random);
    for (const int64_t m : {4, 20}) {
      std::vector<float> x(m * k, 0.5f), good(m * n), y(m * n);
      for (const LinearKernel kernel : available_kernels(weight_only_kernel)) {
        weight_only_kernel(kernel)(make_job(weight, x, {0, n}, nullptr, good), {0, m}, {0, n});
        std::vector<float> bad = x;
        bad[k + 3] = std::numeric_limits<float>::quiet_NaN();
        bad[2 * k + 5] = -kInf;
        bad[3 * k] = 3e38f;
        weight_only_kernel(kernel)(make_job(weight, bad, {0, n}, nullptr, y), {0, m}, {0, n});
        for (int64_t c = 0; c < n; ++c) {
          EXPECT_EQ(y[c], good[c]);
          EXPECT_TRUE(std::isnan(y[n + c]));
          const double w = weight.values[c * k + 5];
          const float got = y[2 * n + c];
          EXPECT_TRUE(w == 0.0 ? std::isnan(got) : got == (w > 0 ? -kInf : kInf)) << got;
          const double large = 3e38f * weight.values[c * k];  // q alone would overflow
          if (std::fabs(large) < 1e38) {
            EXPECT_NEAR(y[3 * n + c] / 1e38, large / 1e38, 1e-5);
          }
          for (int64_t r = 4; r < m; ++r) EXPECT_EQ(y[r * n + c], good[r * n + c]);
        }
      }
    }
  }
}

TEST(WeightOnly, NoKernelForGroupsOfTwelve) {
  Scheme scheme;
  scheme.bits = 4;
  scheme.granularity = Granularity::kGroup;
  scheme.group_size = 12;
  const PackedHeader header = make_header(4, 32, scheme, Layout::kCanonical);
  std::vector<uint8_t> block(header.bytes);
  WeightOnlyJob job;
  EXPECT_FALSE(set_weight(job, header, block.data()));
}

}  // namespace
}  // namespace vqt::cpu
