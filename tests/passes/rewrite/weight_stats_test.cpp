// The loops over a weight, at every kind of tail.
#include "passes/rewrite/weight_stats.h"

#include <ATen/Parallel.h>
#include <ATen/ops/full.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace vqt {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TEST(AllFinite, FindsOneBadValueAnywhere) {
  for (int64_t n : {1, 2, 7, 8, 9, 16383, 16384, 16385, 40000}) {
    for (int64_t at : {int64_t{0}, n / 2, n - 1}) {
      for (float bad : {kNan, -kNan, kInf, -kInf}) {
        at::Tensor w = at::full({n}, -std::numeric_limits<float>::max());
        EXPECT_TRUE(all_finite(w));
        w[at] = bad;
        EXPECT_FALSE(all_finite(w)) << n << " values, bad at " << at;
      }
    }
  }
  EXPECT_TRUE(all_finite(at::zeros({0})));
}

TEST(SqnrDb, IsWhatDoublesGive) {
  for (int64_t n : {1, 9, 16384, 16391, 100003}) {
    const at::Tensor a = at::randn({n}), b = a.add(at::randn({n}), 0.01);
    double signal = 0.0, noise = 0.0;
    for (int64_t i = 0; i < n; ++i) {
      const double x = a.const_data_ptr<float>()[i],
                   e = a.const_data_ptr<float>()[i] - b.const_data_ptr<float>()[i];
      signal += x * x;
      noise += e * e;
    }
    EXPECT_NEAR(sqnr_db(a, b), 10 * std::log10(signal / noise), 1e-9) << n;
  }
}

TEST(SqnrDb, HandWorkedAndExact) {
  EXPECT_NEAR(sqnr_db(at::full({100}, 10.0), at::full({100}, 9.0)), 20.0, 1e-12);
  EXPECT_EQ(sqnr_db(at::full({100}, 3.0), at::full({100}, 3.0)), std::numeric_limits<double>::infinity());
  EXPECT_EQ(sqnr_db(at::zeros({4}), at::zeros({4})), std::numeric_limits<double>::infinity());
}

TEST(SqnrDb, DoesNotDependOnThreads) {
  const at::Tensor a = at::randn({300, 1001}), b = a.add(at::randn({300, 1001}), 0.1);
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const double one = sqnr_db(a, b);
  at::set_num_threads(3);
  EXPECT_EQ(sqnr_db(a, b), one);
  at::set_num_threads(threads);
}

}  // namespace
}  // namespace vqt
