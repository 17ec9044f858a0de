// Sums made here by plain loops over what the movers gave, finished: the reference linear's bits.
#include "cpu/linear/linear_sums_kernel.h"

#include <cmath>
#include <limits>

#include "cpu/layout/panel.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

struct Case {
  Shape shape;
  bool symmetric;
  std::vector<uint8_t> x;
  std::vector<float> x_scale, w_scale, bias, gamma, residual;
  std::vector<int32_t> x_zero, w_zero, w_sum;
  std::vector<int8_t> w;
  int64_t depth, n_pad;

  Case(Shape s, bool symmetric_weights, std::mt19937& random) : shape(s), symmetric(symmetric_weights) {
    depth = (s.k + 3) / 4 * 4;
    n_pad = (s.n + kPanel - 1) / kPanel * kPanel;
    const auto number = [&] { return static_cast<float>(1 + random() % 1000) * 1e-4f; };
    for (int64_t i = 0; i < s.m * s.k; ++i) x.push_back(static_cast<uint8_t>(random()));
    for (int64_t r = 0; r < s.m; ++r) {
      x_scale.push_back(number());
      x_zero.push_back(static_cast<int32_t>(random() % 256));
    }
    w.assign(n_pad * depth, 0);
    w_sum.assign(n_pad, 0);
    w_zero.assign(n_pad, 0);
    w_scale.assign(n_pad, 0.0f);
    for (int64_t c = 0; c < s.n; ++c) {
      for (int64_t k = 0; k < s.k; ++k) {
        const auto v = static_cast<int8_t>(random());
        w[c / kPanel * kPanel * depth + k / 4 * 4 * kPanel + c % kPanel * 4 + k % 4] = v;
        w_sum[c] += v;
      }
      w_scale[c] = number();
      if (!symmetric) w_zero[c] = static_cast<int32_t>(random() % 256) - 128;
      bias.push_back(number() * 50.0f);
      gamma.push_back(number() * 50.0f - 2.0f);
    }
    for (int64_t i = 0; i < s.m * s.n; ++i) residual.push_back(number() * 100.0f);
  }

  LinearInt8Job job(const Activations& rows, int64_t first_column, bool all) const {
    LinearInt8Job a;
    a.k = shape.k;
    a.x = rows.rows;
    a.w = w.data();
    a.w_scale = w_scale.data();
    a.w_zero = symmetric ? nullptr : w_zero.data();
    a.w_sum = w_sum.data();
    a.out.first_column = first_column;
    if (!all) return a;
    a.out.bias = bias.data() + first_column;
    a.out.gamma = gamma.data() + first_column;
    a.out.post_op = PostOp::kGelu;
    return a;
  }
};

std::vector<int32_t> sums_of(const LinearInt8Job& a, Range rows, Range columns) {
  const int64_t depth = a.w_depth();
  const Range panels = {columns.begin / kPanel * kPanel, (columns.end + kPanel - 1) / kPanel * kPanel};
  std::vector<int8_t> x(rows.size() * depth + 1, 99), w(panels.size() * depth + 1, 99);
  shifted_rows(a, rows, x.data());
  panel_columns(a, panels, w.data());
  EXPECT_EQ(x.back(), 99);
  EXPECT_EQ(w.back(), 99);
  std::vector<int32_t> sums;
  for (int64_t r = 0; r < rows.size(); ++r) {
    for (int64_t c = columns.begin; c < columns.end; ++c) {
      int32_t sum = 0;
      for (int64_t k = 0; k < depth; ++k) sum += x[r * depth + k] * w[(c - panels.begin) * depth + k];
      sums.push_back(sum);
    }
  }
  return sums;
}

void check(Shape shape, bool symmetric, Range columns) {
  CaseRandom random({shape.m, shape.n, shape.k, symmetric, columns.begin, columns.end});
  if (random.left_out()) return;
  const Case c(shape, symmetric, random);
  const int64_t width = columns.size();
  for (const bool all : {false, true}) {
    std::vector<float> want(shape.m * width), got(shape.m * width);
    const Activations plain(c.x, c.x_scale, c.x_zero, shape.k, 1);
    LinearInt8Job a = c.job(plain, columns.begin, all);
    a.out.y = want.data();
    a.out.y_stride = width;
    if (all) {
      a.out.residual = c.residual.data();
      a.out.residual_stride = shape.n;
    }
    linear_int8_ref(a, {0, shape.m}, columns);
    for (const Isa isa : kIsas) {
      if (!available(isa)) continue;
      const Activations x(c.x, c.x_scale, c.x_zero, shape.k, activation_tile(isa));
      LinearInt8Job b = a;
      b.x = x.rows;
      b.out.y = got.data();
      got.assign(got.size(), -1.0f);
      for (const Range rows : split(0, shape.m, 3, random)) {
        finish_sums_kernel(isa)(b, sums_of(b, rows, columns).data(), width, rows, columns);
      }
      EXPECT_EQ(want, got) << to_string(isa) << " m " << shape.m << " n " << shape.n << " k " << shape.k;
    }
  }
}

TEST(LinearSums, FinishedAsTheReferenceDoes) {
  for (const bool symmetric : {true, false}) {
    for (const int64_t m : {1, 5, 12, 13, 31}) {
      for (const int64_t k : {1, 4, 7, 64, 100}) {
        check({m, 40, k}, symmetric, {0, 40});
        check({m, 70, k}, symmetric, {5, 61});
        check({m, 70, k}, symmetric, {21, 30});
      }
    }
  }
}

TEST(LinearSums, FinishedAsU8) {
  for (const bool y_symmetric : {false, true}) {
    CaseRandom random({y_symmetric});
    if (random.left_out()) continue;
    const Case c({19, 40, 24}, false, random);
    std::vector<std::vector<uint8_t>> results;  // row-major
    std::vector<float> scales;
    for (const Isa isa : kIsas) {
      if (!available(isa)) continue;
      const Activations x(c.x, c.x_scale, c.x_zero, 24, activation_tile(isa));
      x.rows.scale[4] = std::numeric_limits<float>::quiet_NaN();
      const Range columns = {0, 40};
      for (const bool by_sums : {false, true}) {
        std::vector<uint8_t> block(20 * activation_bytes_per_row(40));
        LinearInt8Job a = c.job(x, 0, true);
        a.out.q = activation_rows(block.data(), 19, 40, activation_tile(isa));
        a.out.y_scale = 0.37f;
        a.out.y_zero = y_symmetric ? 128 : 11;
        a.out.y_symmetric = y_symmetric;
        begin_static(a.out.q, 40, a.out.y_scale, a.out.y_zero);
        if (by_sums) {
          for (const Range rows : split(0, 19, 2, random)) {
            finish_sums_kernel(isa)(a, sums_of(a, rows, columns).data(), 40, rows, columns);
          }
        } else {
          for (const LinearKernel kernel : available_kernels(linear_int8_kernel)) {
            if (isa_of(kernel) == isa) linear_int8_kernel(kernel)(a, {0, 19}, columns);
          }
        }
        EXPECT_TRUE(std::isnan(a.out.q.scale[4]));
        clear_nan_rows(a.out.q);
        std::vector<uint8_t> values;
        for (int64_t r = 0; r < 19; ++r) {
          for (int64_t k = 0; k < 40; ++k) values.push_back(a.out.q.value(r, k));
        }
        results.push_back(values);
      }
    }
    for (const auto& values : results) EXPECT_EQ(values, results[0]);
  }
}

}  // namespace
}  // namespace vqt::cpu
