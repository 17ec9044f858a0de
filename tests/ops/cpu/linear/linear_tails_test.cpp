// Every number of rows, columns and k's around the kernels' blocks, with every epilogue, on every instruction
// set, against the reference. Of the pairs of two of the three numbers every fifth is taken;
// VQT_TEST_STRIDE=1 takes all, a larger one fewer (an emulator is slow), and VQT_ISA leaves one instruction
// set.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "cpu/cache_sizes.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kMostRows = 67, kMostColumns = 67, kMostDepth = 200;
constexpr float kUntouched = -12345.0f;

int64_t stride() {
  const char* text = std::getenv("VQT_TEST_STRIDE");
  return text == nullptr ? 5 : std::max(1, std::atoi(text));
}

template <class T>
std::vector<T> random_values(int64_t count, std::mt19937& random, T low, T high) {
  std::vector<T> v(static_cast<size_t>(count));
  for (T& x : v)
    x = static_cast<T>(low + static_cast<T>(static_cast<double>(random()) / 4294967296.0 * (high - low)));
  return v;
}

// A linear but for its weight: x, what surrounds the product, a slice of the columns.
struct Case {
  Shape shape;  // n: columns of the result
  int64_t first, n_pad;
  std::vector<uint8_t> x;
  std::vector<float> x_scale, bias, gamma, residual;
  std::vector<int32_t> x_zero;
  bool has_bias, has_gamma, has_residual, to_u8, symmetric_result;
  PostOp post_op;

  Case(Shape s, std::mt19937& random) : shape(s) {
    first = random() % 3 == 0 ? static_cast<int64_t>(random() % 40) : 0;
    n_pad = (first + s.n + static_cast<int64_t>(random() % 20) + kPanel - 1) / kPanel * kPanel;
    x.resize(static_cast<size_t>(s.m * s.k));
    for (uint8_t& v : x) v = static_cast<uint8_t>(random() % 3 == 0 ? 255 : random());
    x_scale = random_values(s.m, random, 1e-4f, 1e-2f);
    if (s.m > 2 && random() % 8 == 0) x_scale[random() % s.m] = std::numeric_limits<float>::quiet_NaN();
    x_zero = random_values(s.m, random, 0, 256);
    bias = random_values(s.n, random, -3.0f, 3.0f);
    gamma = random_values(s.n, random, -2.0f, 2.0f);
    residual = random_values(s.m * (s.n + 5), random, -4.0f, 4.0f);
    has_bias = random() % 4 != 0;
    has_gamma = random() % 4 == 0;
    has_residual = random() % 4 == 0;
    to_u8 = random() % 3 == 0;
    symmetric_result = random() % 2 == 0;
    post_op = static_cast<PostOp>(random() % 3);
  }

  Epilogue epilogue() const {
    Epilogue e;
    e.first_column = first;
    e.bias = has_bias ? bias.data() : nullptr;
    e.post_op = post_op;
    e.gamma = has_gamma ? gamma.data() : nullptr;
    e.residual = has_residual ? residual.data() : nullptr;
    e.residual_stride = shape.n + 5;
    e.y_scale = 0.03f;
    e.y_zero = symmetric_result ? 128 : 100;
    e.y_symmetric = symmetric_result;
    return e;
  }

  std::string text(int64_t group, bool symmetric) const {
    return "m " + std::to_string(shape.m) + " n " + std::to_string(shape.n) + " k " +
           std::to_string(shape.k) + " group " + std::to_string(group) +
           (symmetric ? " symmetric" : " asymmetric") + " first " + std::to_string(first) + " post_op " +
           std::to_string(static_cast<int>(post_op)) + (has_bias ? " bias" : "") +
           (has_gamma ? " gamma" : "") + (has_residual ? " residual" : "") +
           (to_u8 ? symmetric_result ? " to u8 symmetric" : " to u8" : "");
  }
};

// What a kernel left: floats with what lies around them, or u8 values and scales of the rows.
template <class Job, class Kernel>
std::vector<float> result(const Case& c, Job job, Kernel kernel, Isa isa, int64_t parts,
                          std::mt19937& random) {
  const Activations x(c.x, c.x_scale, c.x_zero, c.shape.k, activation_tile(isa));
  job.x = x.rows;
  job.out = c.epilogue();
  const Range rows = {0, c.shape.m}, columns = {c.first, c.first + c.shape.n};
  std::vector<float> y(static_cast<size_t>(c.shape.m * (c.shape.n + 3)), kUntouched);
  if (!c.to_u8) {
    job.out.y = y.data();
    job.out.y_stride = c.shape.n + 3;
    run_split(kernel, job, rows, columns, parts, random);
    return y;
  }
  std::vector<uint8_t> block(static_cast<size_t>((c.shape.m + 1) * activation_bytes_per_row(c.shape.n)),
                             0xee);
  const QuantizedRows q = activation_rows(block.data(), c.shape.m, c.shape.n, activation_tile(isa));
  begin_static(q, c.shape.n, job.out.y_scale, job.out.y_zero);
  job.out.q = q;
  run_split(kernel, job, rows, columns, parts, random);
  clear_nan_rows(q);
  std::vector<float> all;
  for (int64_t r = 0; r < c.shape.m; ++r) {
    for (int64_t k = 0; k < q.k_pad; ++k) all.push_back(q.value(r, k));
    all.push_back(std::isnan(q.scale[r]) ? -1.0f : q.scale[r]);
    all.push_back(static_cast<float>(q.zero[r]));
  }
  return all;
}

template <class Job, class Fn>
void compare(const Case& c, const Job& job, Fn (*function_of)(LinearKernel), const std::string& text,
             std::mt19937& random) {
  const std::vector<LinearKernel> kernels = tested_kernels(function_of);
  const std::vector<float> want = result(c, job, function_of(kernels[0]), Isa::kRef, 1, random);
  for (const LinearKernel kernel : kernels) {
    const int64_t parts = random() % 3 == 0 ? 3 : 1;
    ASSERT_EQ(difference(want, result(c, job, function_of(kernel), isa_of(kernel), parts, random)), "")
        << to_string(kernel) << " " << text;
  }
}

void check_int8(Shape shape) {
  CaseRandom random({8, shape.m, shape.n, shape.k});
  if (random.left_out()) return;
  const Case c(shape, random);
  const bool symmetric = random() % 2 == 0;
  LinearInt8Job job;
  job.k = shape.k;
  const std::vector<int32_t> values = random_values(c.n_pad * job.w_depth(), random, -128, 128);
  std::vector<int8_t> w(values.begin(), values.end());
  std::vector<int32_t> sum(static_cast<size_t>(c.n_pad), 0);
  for (int64_t i = 0; i < static_cast<int64_t>(w.size()); ++i) {
    const int64_t column = i / (kPanel * job.w_depth()) * kPanel + i / 4 % kPanel;
    const int64_t k = i % (kPanel * job.w_depth()) / (kPanel * 4) * 4 + i % 4;
    if (k >= shape.k) w[i] = 0;
    sum[column] += w[i];
  }
  const std::vector<float> scale = random_values(c.n_pad, random, 1e-3f, 1e-2f);
  const std::vector<int32_t> zero = random_values(c.n_pad, random, -128, 128);
  job.w = w.data();
  job.w_scale = scale.data();
  job.w_zero = symmetric ? nullptr : zero.data();
  job.w_sum = sum.data();
  compare(c, job, linear_int8_kernel, c.text(0, symmetric), random);
}

void check_int4(Shape shape) {
  CaseRandom random({4, shape.m, shape.n, shape.k});
  if (random.left_out()) return;
  LinearInt4Job job;
  job.group = activation_depth(shape.k);  // one group a row
  for (int64_t group : {8, 16, 24, 32, 64}) {
    if (shape.k % group == 0 && random() % 3 == 0) job.group = group;
  }
  job.groups = activation_depth(shape.k) / job.group;
  job.symmetric = random() % 2 == 0;
  const int64_t head = kPanel * 4 + (job.symmetric ? 0 : kPanel);
  job.group_bytes = head + job.group * kPanel / 2;
  const Case c(shape, random);
  std::vector<uint8_t> w(static_cast<size_t>(c.n_pad / kPanel * job.groups * job.group_bytes));
  for (uint8_t& v : w) v = static_cast<uint8_t>(random());
  for (int64_t g = 0; g < c.n_pad / kPanel * job.groups; ++g) {
    const std::vector<float> scale = random_values(kPanel, random, 1e-3f, 1e-1f);
    std::memcpy(&w[g * job.group_bytes], scale.data(), kPanel * 4);
    for (int64_t i = kPanel * 4; i < head; ++i) w[g * job.group_bytes + i] %= 16;
  }
  const std::vector<float> offset = random_values(c.n_pad, random, -0.5f, 0.5f);
  job.w = w.data();
  job.offset = offset.data();
  compare(c, job, linear_int4_kernel, c.text(job.group, job.symmetric), random);
}

// More rows than a block of x has, and depths at which few rows take fewer panels at a time.
TEST(LinearTails, BlocksOfRows) {
  for (const Shape shape : {Shape{75, 35, 8200}, {2, 70, 4096}, {2, 70, 4104}}) check_int8(shape);
  for (const Shape shape : {Shape{150, 70, 64}, {163, 17, 24}, {75, 35, 8200}, {2, 70, 4104}})
    check_int4(shape);
}

// Blocks cut for small caches, where there are many of them: the same bits.
TEST(LinearTails, BlocksForSmallCaches) {
  set_cache_sizes_for_testing({64 << 10, 64 << 10});
  for (const Shape shape : {Shape{75, 70, 4104}, {150, 70, 264}, {3, 70, 1032}, {40, 35, 8200}}) {
    check_int8(shape);
    check_int4(shape);
  }
  reset_cache_sizes_for_testing();
}

// What the benchmark of the product alone times.
TEST(ProductInt8, IsTheSumOfProducts) {
  for (const Isa isa : kIsas) {
    if (!tested(isa) || product_int8_kernel(isa) == nullptr) continue;
    for (const Shape shape : {Shape{1, 64, 96}, {3, 70, 33}, {13, 17, 100}, {31, 130, 17}, {60, 33, 8}}) {
      CaseRandom random({shape.m, shape.n, shape.k});
      if (random.left_out()) continue;
      LinearInt8Job job;
      job.k = shape.k;
      const int64_t n_pad = (shape.n + kPanel - 1) / kPanel * kPanel, depth = job.w_depth(), first = 5;
      const std::vector<int32_t> values = random_values(n_pad * depth, random, -128, 128);
      const std::vector<int8_t> w(values.begin(), values.end());
      std::vector<uint8_t> x(static_cast<size_t>(shape.m * shape.k));
      for (uint8_t& v : x) v = static_cast<uint8_t>(random());
      const std::vector<float> scale(shape.m, 1.0f);
      const Activations rows(x, scale, std::vector<int32_t>(shape.m, 0), shape.k, activation_tile(isa));
      std::vector<float> y(static_cast<size_t>(shape.m * shape.n), kUntouched);
      job.x = rows.rows;
      job.w = w.data();
      job.out.first_column = first;
      job.out.y = y.data();
      job.out.y_stride = shape.n;
      run_split(product_int8_kernel(isa), job, {0, shape.m}, {first, shape.n}, 2, random);
      for (int64_t i = 0; i < shape.m * (shape.n - first); ++i) {
        const int64_t r = i / (shape.n - first), c = first + i % (shape.n - first);
        int32_t want = 0, got;
        for (int64_t k = 0; k < shape.k; ++k) {
          want += x[r * shape.k + k] *
                  w[c / kPanel * kPanel * depth + k / 4 * 4 * kPanel + c % kPanel * 4 + k % 4];
        }
        std::memcpy(&got, &y[r * shape.n + c - first], sizeof(got));
        ASSERT_EQ(got, want) << to_string(isa) << " row " << r << " column " << c << " of " << shape.n;
      }
    }
  }
}

// Calls check for every pair of two of m, n and k (0, 1, 2: which one is drawn at random, small).
template <class Check>
void every_pair(int drawn, Check check) {
  std::mt19937 random(static_cast<unsigned>(drawn));  // of the free numbers alone
  const int64_t step = stride();
  const int64_t outer = drawn == 0 ? kMostColumns : kMostRows, inner = drawn == 2 ? kMostColumns : kMostDepth;
  int64_t index = 0;
  for (int64_t i = drawn == 0 ? 1 : 0; i <= outer; ++i) {
    for (int64_t j = 1; j <= inner; ++j) {
      const auto free = static_cast<int64_t>(random() % 26);
      if (index++ % step != 0) continue;
      const Shape shape = drawn == 0   ? Shape{free, i, j}
                          : drawn == 1 ? Shape{i, free + 1, j}
                                       : Shape{i, j, free + 1};
      check(shape);
      if (testing::Test::HasFatalFailure()) return;
    }
  }
}

TEST(LinearTails, Int8EveryColumnsAndDepth) { every_pair(0, check_int8); }
TEST(LinearTails, Int8EveryRowsAndDepth) { every_pair(1, check_int8); }
TEST(LinearTails, Int8EveryRowsAndColumns) { every_pair(2, check_int8); }
TEST(LinearTails, Int4EveryColumnsAndDepth) { every_pair(0, check_int4); }
TEST(LinearTails, Int4EveryRowsAndDepth) { every_pair(1, check_int4); }
TEST(LinearTails, Int4EveryRowsAndColumns) { every_pair(2, check_int4); }

}  // namespace
}  // namespace vqt::cpu
