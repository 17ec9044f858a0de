// The epilogue on every instruction set and in both integer linears, against its steps taken one by one on
// the plain product. Bits have to be equal.
#include "cpu/gemm/epilogue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cpu/layout/packed_weight.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/simd/gelu.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

constexpr float kUntouched = -12345.0f;

// A small weight and rows of x whose products spread over GELU's range.
struct Problem {
  int64_t m, n, k = 16;
  PackedHeader header;
  PackedSections parts;
  std::vector<uint8_t> block, x;
  std::vector<float> x_scale, bias, gamma, residual;
  std::vector<int32_t> x_zero;

  Problem(int64_t rows, int64_t columns, int64_t bits, std::mt19937& random) : m(rows), n(columns) {
    const auto number = [&](float most) {
      return most * (static_cast<float>(random() % 2001) * 1e-3f - 1.0f);
    };
    Scheme scheme;
    scheme.bits = bits;
    header = make_header(n, k, scheme, bits == 8 ? Layout::kCpuInt8 : Layout::kCpuInt4);
    parts = sections(header);
    std::vector<uint8_t> canonical(canonical_bytes(n, k, bits));
    for (uint8_t& v : canonical) v = static_cast<uint8_t>(random());
    const std::vector<float> scale(parts.scales, bits == 8 ? 1e-4f : 1e-3f);
    const std::vector<int32_t> zero(parts.scales, 0);
    block.resize(header.bytes);
    pack(header, canonical.data(), scale.data(), zero.data(), block.data());
    for (int64_t i = 0; i < m * k; ++i) x.push_back(static_cast<uint8_t>(random()));
    for (int64_t r = 0; r < m; ++r) {
      x_scale.push_back(0.05f + static_cast<float>(random() % 100) * 1e-3f);
      x_zero.push_back(static_cast<int32_t>(random() % 256));
    }
    for (int64_t c = 0; c < n; ++c) {
      bias.push_back(number(1.0f));
      gamma.push_back(number(2.0f));
    }
    for (int64_t i = 0; i < m * n; ++i) residual.push_back(number(3.0f));
  }

  Activations activations(Isa isa) const { return {x, x_scale, x_zero, k, activation_tile(isa)}; }

  std::vector<LinearKernel> kernels() const {
    return header.bits == 8 ? available_kernels(linear_int8_kernel) : available_kernels(linear_int4_kernel);
  }

  // Columns of the product from `columns.begin` on are those of the result.
  void run(const Activations& rows, const Epilogue& out, Range columns, LinearKernel kernel,
           int64_t parts_of) const {
    std::mt19937 random(1);  // where rows and columns are cut
    const uint8_t* b = block.data();
    if (header.bits == 8) {
      LinearInt8Job a;
      a.k = k;
      a.x = rows.rows;
      a.w = reinterpret_cast<const int8_t*>(b + parts.weight);
      a.w_scale = reinterpret_cast<const float*>(b + parts.scale);
      a.w_sum = reinterpret_cast<const int32_t*>(b + parts.sum);
      a.out = out;
      run_split(linear_int8_kernel(kernel), a, {0, m}, columns, parts_of, random);
    } else {
      LinearInt4Job a;
      a.groups = 1;
      a.group = parts.k_pad;
      a.group_bytes = parts.group_bytes;
      a.x = rows.rows;
      a.w = b + parts.weight;
      a.offset = reinterpret_cast<const float*>(b + parts.offset);
      a.out = out;
      run_split(linear_int4_kernel(kernel), a, {0, m}, columns, parts_of, random);
    }
  }

  // [m][columns]
  std::vector<float> product(Range columns) const {
    std::vector<float> y(std::max<int64_t>(1, m * columns.size()));
    Epilogue e;
    e.first_column = columns.begin;
    e.y = y.data();
    e.y_stride = columns.size();
    run(activations(Isa::kRef), e, columns, kernels()[0], 1);
    return y;
  }
};

struct Steps {
  bool bias, gamma, residual;
  PostOp post_op;
  int output;  // 0: float, 1: u8, 2: symmetric u8

  std::string text() const {
    return std::string(bias ? "bias " : "") +
           (post_op == PostOp::kGelu   ? "gelu "
            : post_op == PostOp::kRelu ? "relu "
                                       : "") +
           (gamma ? "gamma " : "") + (residual ? "residual " : "") +
           (output == 0   ? ""
            : output == 1 ? "u8"
                          : "s8");
  }
};

std::vector<Steps> all_steps() {
  std::vector<Steps> all;
  for (int bits = 0; bits < 8; ++bits) {
    for (PostOp op : {PostOp::kNone, PostOp::kGelu, PostOp::kRelu}) {
      for (int output : {0, 1, 2})
        all.push_back({(bits & 1) != 0, (bits & 2) != 0, (bits & 4) != 0, op, output});
    }
  }
  return all;
}

constexpr float kScale = 0.017f;
constexpr int32_t kZero = 93;

uint8_t quantized(float v, bool symmetric) {
  const float scaled = v / kScale;
  if (symmetric) return static_cast<uint8_t>(128 + std::lrint(std::min(std::max(scaled, -127.0f), 127.0f)));
  return static_cast<uint8_t>(std::lrint(std::min(std::max(scaled + float{kZero}, 0.0f), 255.0f)));
}

// columns of W from `columns.begin` on, as a slice of it uses them.
void check(const Problem& p, const Steps& s, Range columns, const std::vector<float>& product) {
  const int64_t n = columns.size();
  std::vector<float> want = product;
  for (int64_t i = 0; i < p.m * n; ++i) {
    float& v = want[i];
    if (s.bias) v = v + p.bias[columns.begin + i % n];
    if (s.post_op == PostOp::kGelu) v = gelu(v);
    if (s.post_op == PostOp::kRelu) v = v < 0.0f ? 0.0f : v;
    if (s.gamma) v = v * p.gamma[columns.begin + i % n];
    if (s.residual) v = v + p.residual[i / n * p.n + columns.begin + i % n];
  }
  for (const LinearKernel kernel : p.kernels()) {
    const Isa isa = isa_of(kernel);
    const Activations x = p.activations(isa);
    for (int64_t parts : {1, 4}) {
      const std::string what = std::string(to_string(kernel)) + " m " + std::to_string(p.m) + " columns " +
                               std::to_string(columns.begin) + ".." + std::to_string(columns.end) + " in " +
                               std::to_string(parts) + ": " + s.text();
      Epilogue e;
      e.first_column = columns.begin;
      e.bias = s.bias ? p.bias.data() + columns.begin : nullptr;
      e.post_op = s.post_op;
      e.gamma = s.gamma ? p.gamma.data() + columns.begin : nullptr;
      e.residual = s.residual ? p.residual.data() + columns.begin : nullptr;
      e.residual_stride = p.n;
      if (s.output == 0) {
        std::vector<float> y(std::max<int64_t>(1, p.m * (n + 3)), kUntouched);
        e.y = y.data();
        e.y_stride = n + 3;
        p.run(x, e, columns, kernel, parts);
        for (int64_t i = 0; i < p.m * (n + 3); ++i) {
          const int64_t c = i % (n + 3);
          const float wanted = c < n ? want[i / (n + 3) * n + c] : kUntouched;
          ASSERT_EQ(std::memcmp(&wanted, &y[i], sizeof(float)), 0) << what << ": " << wanted << " " << y[i];
        }
        continue;
      }
      std::vector<uint8_t> block(p.m * activation_bytes_per_row(n) + 64, 0xee);
      e.q = activation_rows(block.data(), p.m, n, activation_tile(isa));
      e.y_scale = kScale;
      e.y_zero = s.output == 2 ? 128 : kZero;
      e.y_symmetric = s.output == 2;
      begin_static(e.q, n, e.y_scale, e.y_zero);
      p.run(x, e, columns, kernel, parts);
      clear_nan_rows(e.q);
      for (int64_t r = 0; r < p.m; ++r) {
        ASSERT_EQ(e.q.scale[r], kScale) << what;
        ASSERT_EQ(e.q.zero[r], e.y_zero) << what;
        for (int64_t c = 0; c < e.q.k_pad; ++c) {
          const int wanted = c < n ? quantized(want[r * n + c], s.output == 2) : 0;
          ASSERT_EQ(wanted, e.q.value(r, c)) << what << " row " << r << " column " << c;
        }
      }
      for (size_t i = block.size() - 64; i < block.size(); ++i) ASSERT_EQ(block[i], 0xee) << what;
    }
  }
}

TEST(Epilogue, EveryCombinationEqualsItsSteps) {
  for (int64_t bits : {8, 4}) {
    for (int64_t m : {1, 13, 26}) {
      CaseRandom random({bits, m});
      if (random.left_out()) continue;
      const Problem p(m, 67, bits, random);
      const std::vector<float> product = p.product({0, 67});
      for (const Steps& s : all_steps()) check(p, s, {0, 67}, product);
    }
  }
}

TEST(Epilogue, AnyColumnsAndRows) {
  const std::vector<Steps> steps = all_steps();
  for (int64_t bits : {8, 4}) {
    for (int64_t m = 1; m <= 40; ++m) {
      CaseRandom random({bits, m});
      if (random.left_out()) continue;
      const int64_t n = 1 + static_cast<int64_t>(random() % 80);
      const Problem p(m, n, bits, random);
      const int64_t begin = static_cast<int64_t>(random()) % n;
      const Range columns = {begin, begin + 1 + static_cast<int64_t>(random()) % (n - begin)};
      const std::vector<float> product = p.product(columns);
      for (int i = 0; i < 4; ++i) check(p, steps[random() % steps.size()], columns, product);
    }
  }
}

// NaN or Inf anywhere in a row makes all of it NaN, and touches no other.
TEST(Epilogue, ARowOfU8ThatIsNotFiniteIsNan) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN(),
                  kInf = std::numeric_limits<float>::infinity();
  for (int64_t bits : {8, 4}) {
    for (int64_t m : {1, 7, 14, 25}) {
      CaseRandom random({bits, m});
      if (random.left_out()) continue;
      Problem p(m, 35, bits, random);
      const int64_t row = static_cast<int64_t>(random()) % m;
      for (float value : {kNan, kInf, -kInf}) {
        for (int64_t column : {0, 17, 34}) {
          std::vector<float> residual(m * 35, 0.0f);
          residual[row * 35 + column] = value;
          for (const LinearKernel kernel : p.kernels()) {
            const Isa isa = isa_of(kernel);
            std::vector<uint8_t> block(m * activation_bytes_per_row(35));
            Epilogue e;
            e.residual = residual.data();
            e.residual_stride = 35;
            e.q = activation_rows(block.data(), m, 35, activation_tile(isa));
            e.y_scale = kScale;
            e.y_zero = kZero;
            begin_static(e.q, 35, e.y_scale, e.y_zero);
            p.run(p.activations(isa), e, {0, 35}, kernel, 3);
            clear_nan_rows(e.q);
            for (int64_t r = 0; r < m; ++r) {
              ASSERT_EQ(std::isnan(e.q.scale[r]), r == row)
                  << to_string(kernel) << " m " << m << " row " << r;
              ASSERT_EQ(e.q.zero[r], r == row ? 0 : kZero);
              for (int64_t c = 0; c < 40 && r == row; ++c) ASSERT_EQ(e.q.value(r, c), 0);
            }
          }
        }
      }
    }
  }
}

TEST(Epilogue, SumsOfRows) {
  for (int64_t tile : {1, 12}) {
    for (int64_t m : {1, 12, 13, 30}) {
      CaseRandom random({tile, m});
      if (random.left_out()) continue;
      std::vector<uint8_t> x(m * 37);
      for (uint8_t& v : x) v = static_cast<uint8_t>(random());
      const Activations a(x, std::vector<float>(m, 1.0f), std::vector<int32_t>(m, 0), 37, tile);
      std::vector<int32_t> sums(m, -1);
      sum_rows(a.rows, m / 2, m, sums.data());
      sum_rows(a.rows, 0, m / 2, sums.data());
      for (int64_t r = 0; r < m; ++r) EXPECT_EQ(sums[r], a.rows.sum[r]);
    }
  }
}

}  // namespace
}  // namespace vqt::cpu
