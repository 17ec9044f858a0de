// Metrics against numbers worked by hand and closed forms.
#include "eval/metrics/metrics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace vqt {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInf = std::numeric_limits<double>::infinity();

Metrics run(const std::vector<double>& reference, const std::vector<double>& candidate) {
  EXPECT_EQ(reference.size(), candidate.size());
  return compare(reference.data(), candidate.data(), static_cast<int64_t>(reference.size()));
}

TEST(Compare, HandWorked) {
  // errors 1, 0, 2, 1; squares 6; range of the reference 4.
  const Metrics m = run({0, 1, 2, 4}, {1, 1, 0, 3});
  EXPECT_EQ(m.count, 4);
  EXPECT_DOUBLE_EQ(m.mae, 1.0);
  EXPECT_DOUBLE_EQ(m.rmse, std::sqrt(1.5));
  EXPECT_DOUBLE_EQ(*m.psnr_db, 10 * std::log10(16 / 1.5));
  EXPECT_DOUBLE_EQ(m.cosine, 13 / std::sqrt(21.0 * 11.0));  // 1 + 0 + 12; 0+1+4+16; 1+1+0+9
  EXPECT_DOUBLE_EQ(m.max_error, 2);
  EXPECT_DOUBLE_EQ(m.p50, 1);
  EXPECT_NEAR(m.p90, 1.7, 1e-12);   // rank 2.7 between 1 and 2
  EXPECT_NEAR(m.p99, 1.97, 1e-12);  // rank 2.97
  EXPECT_FALSE(m.equal);
}

TEST(Comparison, OfPiecesIsThatOfTheWhole) {
  std::vector<double> r, c;
  for (int i = 0; i < 100; ++i) {
    r.push_back((i * 37) % 101 - 50);
    c.push_back(r.back() + (i * 13) % 7);
  }
  r[70] = kNan;
  Comparison pieces;
  pieces.add(r.data(), c.data(), 30);
  pieces.add(r.data() + 30, c.data() + 30, 0);
  pieces.add(r.data() + 30, c.data() + 30, 70);
  const Metrics whole = run(r, c), m = pieces.result();
  EXPECT_EQ(m.count, 99);
  EXPECT_EQ(m.nonfinite_in_reference, 1);
  EXPECT_DOUBLE_EQ(m.mae, whole.mae);
  EXPECT_DOUBLE_EQ(*m.psnr_db, *whole.psnr_db);
  EXPECT_DOUBLE_EQ(m.p90, whole.p90);
}

TEST(Quantiles, OfMoreValuesThanAreKeptAreCloseEnough) {
  std::vector<double> values = {0, 1e-30, 3e30};
  for (int i = 0; i < 5000; ++i) values.push_back(std::exp((i * 31 % 5000) / 500.0 - 5));
  Quantiles exact, counted(1000);
  for (const double v : values) {
    exact.add(v);
    counted.add(v);
  }
  EXPECT_EQ(counted.count(), 5003);
  EXPECT_EQ(counted.at(0), 0);
  for (const double q : {0.01, 0.5, 0.9, 0.99, 1.0}) EXPECT_NEAR(counted.at(q) / exact.at(q), 1, 1.5e-4) << q;
}

TEST(Compare, AShiftMovesEveryErrorByTheSame) {
  std::vector<double> reference, candidate;
  for (int i = 0; i <= 1000; ++i) {
    reference.push_back(i / 100.0);
    candidate.push_back(i / 100.0 + 0.01);
  }
  const Metrics m = run(reference, candidate);
  EXPECT_NEAR(m.mae, 0.01, 1e-12);
  EXPECT_NEAR(m.rmse, 0.01, 1e-12);
  EXPECT_NEAR(*m.psnr_db, 60, 1e-9);  // 20 log10(10 / 0.01)
  EXPECT_NEAR(m.p50, 0.01, 1e-12);
  EXPECT_NEAR(m.p99, 0.01, 1e-12);
}

TEST(Compare, PercentilesOfARampOfErrors) {
  std::vector<double> zeros(101), ramp;
  for (int i = 0; i <= 100; ++i) ramp.push_back((i * 37) % 101);  // 0..100 in another order
  const Metrics m = run(zeros, ramp);
  EXPECT_DOUBLE_EQ(m.p50, 50);
  EXPECT_DOUBLE_EQ(m.p90, 90);
  EXPECT_DOUBLE_EQ(m.p99, 99);
  EXPECT_DOUBLE_EQ(m.max_error, 100);
  EXPECT_FALSE(m.psnr_db.has_value());  // constant reference
  EXPECT_EQ(m.cosine, 0);               // only the reference is all zero
}

TEST(Compare, EqualOutputs) {
  for (const auto& values :
       {std::vector<double>{1, 2, 3}, std::vector<double>{0, 0}, std::vector<double>{5}}) {
    const Metrics m = run(values, values);
    EXPECT_TRUE(m.equal);
    EXPECT_FALSE(m.psnr_db.has_value());
    EXPECT_EQ(m.cosine, 1);
    EXPECT_EQ(m.rmse, 0);
    EXPECT_EQ(m.p99, 0);
  }
}

TEST(Compare, OppositeAndScaledVectors) {
  EXPECT_DOUBLE_EQ(run({1, -2, 3}, {-1, 2, -3}).cosine, -1);
  EXPECT_DOUBLE_EQ(run({1, -2, 3}, {2, -4, 6}).cosine, 1);
  EXPECT_DOUBLE_EQ(run({1, 0}, {0, 1}).cosine, 0);
}

TEST(Compare, NanAndInfAreCountedAndLeftOut) {
  const Metrics m = run({0, kNan, 2, 4, 5}, {1, 1, kInf, 4, kNan});
  EXPECT_EQ(m.nonfinite, 2);
  EXPECT_EQ(m.nonfinite_in_reference, 1);
  EXPECT_EQ(m.count, 2);
  EXPECT_DOUBLE_EQ(m.mae, 0.5);
  EXPECT_FALSE(m.equal);
  const Metrics only_nan = run({1, 2}, {kNan, kNan});
  EXPECT_EQ(only_nan.count, 0);
  EXPECT_FALSE(only_nan.equal);
  EXPECT_EQ(run({}, {}).count, 0);
  EXPECT_FALSE(run({kNan, 1, 2}, {1, kNan, 2}).equal);
  EXPECT_FALSE(run({kNan}, {kNan}).equal);
  EXPECT_TRUE(run({kNan, 2}, {kNan, 2}).equal);
}

TEST(Compare, AccumulatesInDouble) {
  // 2^20 errors of 2^-20: a sum in float would lose low bits.
  const int64_t n = 1 << 20;
  std::vector<double> ones(n, 1.0), near(n, 1.0 + std::ldexp(1.0, -20));
  ones[0] = 0;
  near[0] = 0;
  const Metrics m = run(ones, near);
  EXPECT_DOUBLE_EQ(m.max_error, std::ldexp(1.0, -20));
  EXPECT_NEAR(m.mae / (std::ldexp(1.0, -20) * (n - 1) / n), 1, 1e-12);
  EXPECT_DOUBLE_EQ(m.cosine, 1);
}

}  // namespace
}  // namespace vqt
