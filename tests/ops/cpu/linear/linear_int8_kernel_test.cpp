#include "cpu/linear/linear_int8_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/layout/panel.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

constexpr float kUntouched = -12345.0f;
constexpr int64_t kDeepestSymmetric = 65793, kDeepestAsymmetric = 33025;  // sum_depth in vqt/packing.h

// Random weights and rows over the whole range of both, with runs of the extremes.
struct Problem {
  Shape shape;
  bool symmetric;
  int64_t w_depth, n_pad;
  std::vector<uint8_t> x;        // [m][k]
  std::vector<int8_t> w, plain;  // plain: [n][k]
  std::vector<float> x_scale, w_scale, bias;
  std::vector<int32_t> x_zero, w_zero, w_sum;

  Problem(Shape s, bool symmetric_weights, std::mt19937& random) : shape(s), symmetric(symmetric_weights) {
    w_depth = (s.k + 3) / 4 * 4;
    n_pad = (s.n + kPanel - 1) / kPanel * kPanel;
    const auto extreme = [&](int64_t low, int64_t high) -> int64_t {
      const uint32_t dice = random() % 8;
      return dice == 0 ? low : dice == 1 ? high : low + static_cast<int64_t>(random() % (high - low + 1));
    };
    const int64_t lowest = symmetric ? -127 : -128;
    const int64_t flavour = random() % 4;  // 0: all extremes of one sign, where sums are deepest
    for (int64_t r = 0; r < s.m; ++r) {
      for (int64_t k = 0; k < s.k; ++k) {
        x.push_back(static_cast<uint8_t>(flavour == 0 ? 255 : extreme(0, 255)));
      }
      x_scale.push_back(static_cast<float>(1 + random() % 1000) * 1e-4f);
      x_zero.push_back(static_cast<int32_t>(extreme(0, 255)));
    }
    plain.resize(s.n * s.k);
    w.assign(n_pad * w_depth, 0);
    w_scale.assign(n_pad, 0.0f);
    w_zero.assign(n_pad, 0);
    w_sum.assign(n_pad, 0);
    for (int64_t c = 0; c < s.n; ++c) {
      for (int64_t k = 0; k < s.k; ++k) {
        const auto v = static_cast<int8_t>(flavour == 0 ? (c % 2 ? 127 : lowest) : extreme(lowest, 127));
        plain[c * s.k + k] = v;
        w[c / kPanel * kPanel * w_depth + k / 4 * 4 * kPanel + c % kPanel * 4 + k % 4] = v;
        w_sum[c] += v;
      }
      w_scale[c] = static_cast<float>(1 + random() % 1000) * 1e-4f;
      if (!symmetric) w_zero[c] = static_cast<int32_t>(extreme(-128, 127));
      bias.push_back(static_cast<float>(random() % 1000) * 0.01f - 5.0f);
    }
  }

  Activations activations(Isa isa) const { return {x, x_scale, x_zero, shape.k, activation_tile(isa)}; }

  LinearInt8Job job(const Activations& rows, std::vector<float>& y, Range columns, bool with_bias) const {
    LinearInt8Job a;
    a.k = shape.k;
    a.x = rows.rows;
    a.w = w.data();
    a.w_scale = w_scale.data();
    a.w_zero = symmetric ? nullptr : w_zero.data();
    a.w_sum = w_sum.data();
    a.out.first_column = columns.begin;
    a.out.bias = with_bias ? bias.data() + columns.begin : nullptr;
    a.out.y_stride = columns.size() + 3;
    y.assign(std::max<int64_t>(1, shape.m * a.out.y_stride), kUntouched);
    a.out.y = y.data();
    return a;
  }
};

// y from the unpacked weights and 64-bit sums of what each product stands for.
std::vector<float> expected(const Problem& p, Range columns, bool with_bias, int64_t y_stride) {
  std::vector<float> y(std::max<int64_t>(1, p.shape.m * y_stride), kUntouched);
  for (int64_t r = 0; r < p.shape.m; ++r) {
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      int64_t dot = 0;
      for (int64_t k = 0; k < p.shape.k; ++k) {
        dot += int64_t{p.x[r * p.shape.k + k] - p.x_zero[r]} * (p.plain[c * p.shape.k + k] - p.w_zero[c]);
      }
      float v = static_cast<float>(dot) * p.w_scale[c];
      v = v * p.x_scale[r];
      if (with_bias) v = v + p.bias[c];
      y[r * y_stride + c - columns.begin] = v;
    }
  }
  return y;
}

std::string describe(const Problem& p, Range columns, int64_t parts) {
  return "m " + std::to_string(p.shape.m) + " n " + std::to_string(p.shape.n) + " k " +
         std::to_string(p.shape.k) + (p.symmetric ? " symmetric" : " asymmetric") + " columns [" +
         std::to_string(columns.begin) + ", " + std::to_string(columns.end) + ") in " +
         std::to_string(parts) + " parts";
}

// One problem: the reference against 64-bit sums, every instruction set against the reference, whole and
// split.
void check(Shape shape, int64_t first = 0, int64_t last = -1, int64_t repeat = 0) {
  CaseRandom random({shape.m, shape.n, shape.k, first, last, repeat});
  if (random.left_out()) return;
  const Problem p(shape, random() % 2 == 0, random);
  const Range rows = {0, shape.m}, columns = {first, last < 0 ? shape.n : last};
  const bool with_bias = random() % 4 != 0;
  std::vector<float> reference, y;
  linear_int8_ref(p.job(p.activations(Isa::kRef), reference, columns, with_bias), rows, columns);
  ASSERT_EQ(difference(expected(p, columns, with_bias, columns.size() + 3), reference), "")
      << "reference, " << describe(p, columns, 1);
  for (const LinearKernel kernel : tested_kernels(linear_int8_kernel)) {
    const Activations x = p.activations(isa_of(kernel));
    for (int64_t parts : {1, 3, 7}) {
      const LinearInt8Job job = p.job(x, y, columns, with_bias);
      run_split(linear_int8_kernel(kernel), job, rows, columns, parts, random);
      ASSERT_EQ(difference(reference, y), "") << to_string(kernel) << ", " << describe(p, columns, parts);
    }
  }
}

TEST(LinearInt8Kernel, TileEdges) {
  for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 23, 24, 25, 36, 37}) {
    for (int64_t n : {1, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 64, 65}) check({m, n, 100});
  }
}

TEST(LinearInt8Kernel, TailsOfK) {
  for (int64_t k = 1; k <= 80; ++k) {
    for (int64_t m : {1, 5, 12, 25}) check({m, 33, k});
  }
  for (int64_t k : {127, 128, 129, 255, 256, 257, 1023, 1024, 1025}) check({13, 35, k});
}

TEST(LinearInt8Kernel, NoRows) { check({0, 32, 64}); }

TEST(LinearInt8Kernel, AnyRangeOfColumns) {
  std::mt19937 random(4);  // of the ranges alone
  const int64_t n = 75;
  for (int64_t begin = 0; begin < n; begin += 1 + random() % 3) {
    for (int64_t end = begin + 1; end <= n; end += 1 + random() % 5) {
      check({1 + static_cast<int64_t>(random() % 14), n, 72}, begin, end);
    }
  }
}

TEST(LinearInt8Kernel, ShapesOfVggtScaledDown) {
  for (Shape s :
       {Shape{43, 96, 64}, {43, 128, 64}, {43, 64, 256}, {43, 64, 64}, {25, 192, 128}, {197, 64, 48}}) {
    check(s);
  }
}

TEST(LinearInt8Kernel, ManyRandomShapes) {
  std::mt19937 random(6);  // of the shapes alone
  for (int i = 0; i < 300; ++i) {
    const int64_t m = random() % 40, n = 1 + random() % 90, k = 1 + random() % 150;
    const int64_t begin = random() % n, end = begin + 1 + random() % (n - begin);
    check({m, n, k}, begin, end);
  }
}

// Beyond one pass of the AVX2 kernel, and the deepest sums that int32 holds. Asymmetric problems stop at
// their limit.
TEST(LinearInt8Kernel, DeepSums) {
  for (int64_t k : {2047, 2048, 2049, 2051, 4096, 4100, 6145}) check({14, 34, k});
  for (int i = 0; i < 3; ++i) check({13, 33, kDeepestAsymmetric}, 0, -1, i);
}

TEST(LinearInt8Kernel, DeepestSymmetricSumIsExact) {
  CaseRandom random({});
  Problem p({12, 32, kDeepestSymmetric}, true, random);
  std::fill(p.plain.begin(), p.plain.end(), int8_t{-128});  // what a careless packer might store
  std::fill(p.w.begin(), p.w.end(), int8_t{-128});
  std::fill(p.x.begin(), p.x.end(), uint8_t{255});
  std::fill(p.w_sum.begin(), p.w_sum.end(), static_cast<int32_t>(-128 * kDeepestSymmetric));
  std::fill(p.x_zero.begin(), p.x_zero.end(), 0);
  std::fill(p.x_scale.begin(), p.x_scale.end(), 1.0f);
  std::fill(p.w_scale.begin(), p.w_scale.end(), 1.0f);
  for (const LinearKernel kernel : tested_kernels(linear_int8_kernel)) {
    std::vector<float> y;
    const Activations x = p.activations(isa_of(kernel));
    const LinearInt8Job job = p.job(x, y, {0, 32}, false);
    linear_int8_kernel(kernel)(job, {0, 12}, {0, 32});
    EXPECT_EQ(y[0], -2147483520.0f) << to_string(kernel);  // -255 * 128 * 65793
    EXPECT_EQ(y[11 * job.out.y_stride + 31], -2147483520.0f) << to_string(kernel);
  }
}

TEST(LinearInt8Kernel, NanScaleStaysInItsRow) {
  CaseRandom random({});
  Problem p({14, 40, 32}, true, random);
  p.x_scale[3] = std::numeric_limits<float>::quiet_NaN();
  for (const LinearKernel kernel : tested_kernels(linear_int8_kernel)) {
    std::vector<float> y;
    const Activations x = p.activations(isa_of(kernel));
    const LinearInt8Job job = p.job(x, y, {0, 40}, true);
    linear_int8_kernel(kernel)(job, {0, 14}, {0, 40});
    for (int64_t r = 0; r < 14; ++r) {
      for (int64_t c = 0; c < 40; ++c) EXPECT_EQ(std::isnan(y[r * job.out.y_stride + c]), r == 3);
    }
  }
}

// Products at large and small scales: the float steps are (dot * w_scale) * x_scale, which must not overflow
// early. 2.3e36: the scale of a row that holds 3e38 and -3e38.
TEST(LinearInt8Kernel, ExtremeScales) {
  CaseRandom random({});
  Problem p({13, 33, 16}, true, random);
  for (float& s : p.x_scale) s = 2.3e36f;
  for (float& s : p.w_scale) s = 1e-5f;
  for (int64_t r = 0; r < 13; r += 2) p.x_scale[r] = 1e-30f;
  std::vector<float> reference, y;
  linear_int8_ref(p.job(p.activations(Isa::kRef), reference, {0, 33}, true), {0, 13}, {0, 33});
  for (float v : reference) EXPECT_TRUE(std::isfinite(v));
  for (const LinearKernel kernel : tested_kernels(linear_int8_kernel)) {
    const Activations x = p.activations(isa_of(kernel));
    const LinearInt8Job job = p.job(x, y, {0, 33}, true);
    linear_int8_kernel(kernel)(job, {0, 13}, {0, 33});
    EXPECT_EQ(difference(reference, y), "") << to_string(kernel);
  }
}

}  // namespace
}  // namespace vqt::cpu
