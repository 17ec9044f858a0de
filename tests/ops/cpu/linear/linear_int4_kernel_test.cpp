#include "cpu/linear/linear_int4_kernel.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/layout/packed_weight.h"
#include "tests/ops/cpu/linear_case.h"

namespace vqt::cpu {
namespace {

constexpr float kUntouched = -12345.0f;

// Random canonical weights, packed by packed_weight.h, and random rows; extremes are frequent.
struct Problem {
  Shape shape;
  int64_t group;
  bool symmetric;
  std::vector<int32_t> q, zero;  // q: [n][k] integers as stored, zero: [n][groups]
  std::vector<float> scale, x_scale, bias;
  std::vector<uint8_t> x, block;  // x: [m][k]
  std::vector<int32_t> x_zero;
  PackedHeader header;
  PackedSections sections_of;

  // group 0: one group a row.
  Problem(Shape s, int64_t group_size, bool symmetric_weights, std::mt19937& random)
      : shape(s), group(group_size == 0 ? s.k : group_size), symmetric(symmetric_weights) {
    const int64_t groups = groups_of_row(), row_bytes = (s.k + 1) / 2;
    const auto extreme = [&](int64_t low, int64_t high) -> int64_t {
      const uint32_t dice = random() % 6;
      return dice == 0 ? low : dice == 1 ? high : low + static_cast<int64_t>(random() % (high - low + 1));
    };
    const int64_t flavour = random() % 4;  // 0: the largest products, all of one sign in a column
    std::vector<uint8_t> canonical(s.n * row_bytes, 0);
    for (int64_t c = 0; c < s.n; ++c) {
      for (int64_t k = 0; k < s.k; ++k) {
        const int64_t low = symmetric ? -8 : 0, high = symmetric ? 7 : 15;
        const int64_t v = flavour == 0 ? (c % 2 ? high : low) : extreme(low, high);
        q.push_back(static_cast<int32_t>(v));
        canonical[c * row_bytes + k / 2] |= static_cast<uint8_t>((v & 15) << k % 2 * 4);
      }
      for (int64_t g = 0; g < groups; ++g) {
        scale.push_back(static_cast<float>(1 + random() % 1000) * 1e-3f);
        zero.push_back(symmetric ? 0
                                 : static_cast<int32_t>(flavour == 0 ? (c % 2 ? 0 : 15) : extreme(0, 15)));
      }
      bias.push_back(static_cast<float>(random() % 1000) * 0.01f - 5.0f);
    }
    Scheme scheme;
    scheme.bits = 4;
    scheme.symmetric = symmetric;
    scheme.granularity = group_size == 0 ? Granularity::kPerChannel : Granularity::kGroup;
    scheme.group_size = group_size;
    header = make_header(s.n, s.k, scheme, Layout::kCpuInt4);
    sections_of = sections(header);
    block.resize(header.bytes + 4);
    pack(header, canonical.data(), scale.data(), zero.data(), block.data() + 4);  // not at a multiple of 64
    for (int64_t r = 0; r < s.m; ++r) {
      for (int64_t k = 0; k < s.k; ++k) {
        x.push_back(static_cast<uint8_t>(flavour == 0 ? 255 : extreme(0, 255)));
      }
      x_scale.push_back(static_cast<float>(1 + random() % 1000) * 1e-4f);
      x_zero.push_back(static_cast<int32_t>(extreme(0, 255)));
    }
  }

  int64_t groups_of_row() const { return (shape.k + group - 1) / group; }

  Activations activations(Isa isa) const { return {x, x_scale, x_zero, shape.k, activation_tile(isa)}; }

  LinearInt4Job job(const Activations& rows, std::vector<float>& y, Range columns, bool with_bias) const {
    const uint8_t* start = block.data() + 4;
    LinearInt4Job a;
    a.groups = sections_of.groups;
    a.group = sections_of.group;
    a.group_bytes = sections_of.group_bytes;
    a.symmetric = symmetric;
    a.x = rows.rows;
    a.w = start + sections_of.weight;
    a.offset = reinterpret_cast<const float*>(start + sections_of.offset);
    a.out.first_column = columns.begin;
    a.out.bias = with_bias ? bias.data() + columns.begin : nullptr;
    a.out.y_stride = columns.size() + 3;
    y.assign(std::max<int64_t>(1, shape.m * a.out.y_stride), kUntouched);
    a.out.y = y.data();
    return a;
  }

  // What the value stands for, in double, and a bound of what float32 sums may lose.
  void expect_near(const std::vector<float>& y, Range columns, bool with_bias, int64_t y_stride) const {
    for (int64_t r = 0; r < shape.m; ++r) {
      for (int64_t c = columns.begin; c < columns.end; ++c) {
        double sum = 0, magnitude = 0;
        for (int64_t k = 0; k < shape.k; ++k) {
          const int64_t g = c * groups_of_row() + k / group;
          const double w = double{scale[g]} * (q[c * shape.k + k] - zero[g]);
          sum += w * (x[r * shape.k + k] - x_zero[r]);
          magnitude += std::abs(w) * (x[r * shape.k + k] + x_zero[r]);
        }
        const double value = sum * x_scale[r] + (with_bias ? double{bias[c]} : 0.0);
        const double groups = static_cast<double>(groups_of_row());
        const double bound = (magnitude * x_scale[r] + std::abs(value) + 5) * 6e-8 * (groups + 4);
        ASSERT_NEAR(value, y[r * y_stride + c - columns.begin], bound) << "row " << r << " column " << c;
      }
    }
  }
};

std::string describe(const Problem& p, Range columns, int64_t parts) {
  return "m " + std::to_string(p.shape.m) + " n " + std::to_string(p.shape.n) + " k " +
         std::to_string(p.shape.k) + " group " + std::to_string(p.group) +
         (p.symmetric ? " symmetric" : " asymmetric") + " columns [" + std::to_string(columns.begin) + ", " +
         std::to_string(columns.end) + ") in " + std::to_string(parts) + " parts";
}

// One problem: the reference against doubles, every instruction set against the reference, whole and split.
void check(Shape shape, int64_t group, int64_t first = 0, int64_t last = -1) {
  for (bool symmetric : {true, false}) {
    CaseRandom random({shape.m, shape.n, shape.k, group, first, last, symmetric});
    if (random.left_out()) continue;
    const Problem p(shape, group, symmetric, random);
    const Range rows = {0, shape.m}, columns = {first, last < 0 ? shape.n : last};
    const bool with_bias = random() % 4 != 0;
    std::vector<float> reference, y;
    const Activations plain = p.activations(Isa::kRef);
    const LinearInt4Job reference_job = p.job(plain, reference, columns, with_bias);
    linear_int4_ref(reference_job, rows, columns);
    p.expect_near(reference, columns, with_bias, reference_job.out.y_stride);
    if (testing::Test::HasFatalFailure()) return;
    for (const LinearKernel kernel : tested_kernels(linear_int4_kernel)) {
      const Activations x = p.activations(isa_of(kernel));
      for (int64_t parts : {1, 3, 7}) {
        const LinearInt4Job job = p.job(x, y, columns, with_bias);
        run_split(linear_int4_kernel(kernel), job, rows, columns, parts, random);
        ASSERT_EQ(difference(reference, y), "") << to_string(kernel) << ", " << describe(p, columns, parts);
      }
    }
  }
}

TEST(LinearInt4Kernel, TileEdges) {
  for (int64_t m : {1, 2, 3, 4, 5, 6, 7, 11, 12, 13, 24, 25}) {
    for (int64_t n : {1, 8, 15, 16, 17, 31, 32, 33, 49}) check({m, n, 32}, 16);
  }
}

TEST(LinearInt4Kernel, GroupsOfEverySize) {
  for (int64_t group = 8; group <= 136; group += 8) {
    for (int64_t groups : {1, 2, 3}) check({7, 17, group * groups}, group);
  }
}

TEST(LinearInt4Kernel, OneGroupARowWithAnyK) {
  std::mt19937 random(3);  // of the shapes alone
  for (int64_t k = 1; k <= 70; ++k) check({1 + static_cast<int64_t>(random() % 13), 18, k}, 0);
  for (int64_t k : {511, 1024, 4097}) check({7, 17, k}, 0);
}

// Short last groups, in every kernel: few rows and many, pairs of panels, the end of a row within its 8 values.
TEST(LinearInt4Kernel, GroupsThatDoNotDivideTheRow) {
  for (int64_t m : {1, 4, 9, 43}) {
    for (int64_t group : {8, 32, 64, 128}) {
      for (int64_t k : {9, 65, 72, 96, 100, 131, 192, 300}) {
        if (k > group && k % group != 0) check({m, 35, k}, group);
      }
    }
  }
  check({197, 96, 4304}, 128);
}

TEST(LinearInt4Kernel, NoRows) { check({0, 32, 64}, 32); }

TEST(LinearInt4Kernel, AnyRangeOfColumns) {
  std::mt19937 random(5);  // of the ranges alone
  const int64_t n = 51;
  for (int64_t begin = 0; begin < n; begin += 1 + random() % 3) {
    for (int64_t end = begin + 1; end <= n; end += 1 + random() % 5) {
      check({1 + static_cast<int64_t>(random() % 14), n, 16}, 8, begin, end);
    }
  }
}

TEST(LinearInt4Kernel, ShapesOfVggtScaledDown) {
  for (int64_t group : {32, 64}) {
    for (Shape s : {Shape{43, 96, 64}, {43, 128, 64}, {43, 64, 256}, {197, 48, 64}}) check(s, group);
  }
  check({13, 33, 1024}, 128);
  check({13, 33, 4096}, 64);
}

TEST(LinearInt4Kernel, ManyRandomShapes) {
  std::mt19937 random(7);  // of the shapes alone
  for (int i = 0; i < 150; ++i) {
    const int64_t group = 8 * (1 + random() % 10), k = group * (1 + random() % 4);
    const int64_t m = random() % 30, n = 1 + random() % 60;
    const int64_t begin = random() % n, end = begin + 1 + random() % (n - begin);
    check({m, n, k}, group, begin, end);
  }
}

TEST(LinearInt4Kernel, NanScaleStaysInItsRow) {
  CaseRandom random({});
  Problem p({14, 40, 32}, 16, true, random);
  p.x_scale[3] = std::numeric_limits<float>::quiet_NaN();
  for (const LinearKernel kernel : tested_kernels(linear_int4_kernel)) {
    std::vector<float> y;
    const Activations x = p.activations(isa_of(kernel));
    const LinearInt4Job job = p.job(x, y, {0, 40}, true);
    linear_int4_kernel(kernel)(job, {0, 14}, {0, 40});
    for (int64_t r = 0; r < 14; ++r) {
      for (int64_t c = 0; c < 40; ++c) EXPECT_EQ(std::isnan(y[r * job.out.y_stride + c]), r == 3);
    }
  }
}

}  // namespace
}  // namespace vqt::cpu
