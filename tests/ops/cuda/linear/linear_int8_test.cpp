// linear_int8's kernels on the simulator, against ops/cpu's reference: the same bits in float32, bfloat16 and u8.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "cpu/gemm/epilogue_ref.h"
#include "cpu/layout/packed_weight.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cuda/linear/linear_int8_mma.h"
#include "cuda/linear/linear_int8_small_m.h"
#include "cuda/linear/linear_int8_wgmma.h"
#include "tests/ops/cuda/simulator/simulator.h"

namespace vqt::cuda {
namespace {

enum class Result { kFloat32, kBFloat16, kUInt8 };

struct Case {
  int64_t m, n, k, column_begin, column_end;
  bool symmetric, bias, gamma, residual, y_symmetric;
  cpu::PostOp post_op;
  Result result;
  uint32_t seed;
};

std::string describe(const Case& c) {
  const auto text = [](int64_t v) { return std::to_string(v); };
  return text(c.m) + " x " + text(c.k) + " -> " + text(c.n) + " columns " + text(c.column_begin) + ".." +
         text(c.column_end) + (c.symmetric ? " sym" : " asym") + (c.bias ? " bias" : "") +
         (c.gamma ? " gamma" : "") + (c.residual ? " residual" : "") + " post_op " +
         text(static_cast<int>(c.post_op)) + " result " + text(static_cast<int>(c.result)) +
         (c.y_symmetric ? " sym" : "") + " seed " + text(c.seed);
}

float rounded(float v) { return from_bfloat16(bfloat16_bits(v)); }

template <class Tiles>
void launch(void (*kernel)(LinearInt8), int most_blocks, const LinearInt8& a, uint32_t seed) {
  const int blocks = blocks_of_rows(a, Tiles::kRows) * blocks_of_columns(a, Tiles::kColumns);
  simulate(std::min(blocks, most_blocks), Tiles::kThreads, Tiles::kSharedBytes, seed, [&] { kernel(a); });
}

template <class Tiles>
void launch_mma(const Case& c, const LinearInt8& a) {
  constexpr int kAll = std::numeric_limits<int>::max();
  switch (c.result) {
    case Result::kFloat32:
      return launch<Tiles>(linear_int8_mma<Tiles, Float32Result>, kAll, a, c.seed);
    case Result::kBFloat16:
      return launch<Tiles>(linear_int8_mma<Tiles, BFloat16Result>, kAll, a, c.seed);
    case Result::kUInt8:
      return launch<Tiles>(linear_int8_mma<Tiles, UInt8Result>, kAll, a, c.seed);
  }
}

template <class Tiles>
void launch_small_m(const Case& c, const LinearInt8& a) {
  constexpr int kAll = std::numeric_limits<int>::max();
  switch (c.result) {
    case Result::kFloat32:
      return launch<Tiles>(linear_int8_small_m<Tiles, Float32Result>, kAll, a, c.seed);
    case Result::kBFloat16:
      return launch<Tiles>(linear_int8_small_m<Tiles, BFloat16Result>, kAll, a, c.seed);
    case Result::kUInt8:
      return launch<Tiles>(linear_int8_small_m<Tiles, UInt8Result>, kAll, a, c.seed);
  }
}

template <class Tiles>
void launch_wgmma(const Case& c, const LinearInt8& a) {
  constexpr int kProcessors = 2;  // blocks go on to further tiles
  switch (c.result) {
    case Result::kFloat32:
      return launch<Tiles>(linear_int8_wgmma<Tiles, Float32Result>, kProcessors, a, c.seed);
    case Result::kBFloat16:
      return launch<Tiles>(linear_int8_wgmma<Tiles, BFloat16Result>, kProcessors, a, c.seed);
    case Result::kUInt8:
      return launch<Tiles>(linear_int8_wgmma<Tiles, UInt8Result>, kProcessors, a, c.seed);
  }
}

using Launch = void (*)(const Case&, const LinearInt8&);

// Computes one case on both and compares every value, and what lies around y.
void check(Launch launch, const Case& c) {
  SCOPED_TRACE(describe(c));
  std::mt19937 random(c.seed);
  const auto below = [&](uint32_t limit) { return static_cast<int32_t>(random() % limit); };
  const auto small = [&] { return static_cast<float>(below(2001) - 1000) / 256; };
  const int64_t columns = c.column_end - c.column_begin;

  // W: canonical bytes, packed for both.
  const Scheme scheme = {8, c.symmetric, Granularity::kPerChannel, 0};
  std::vector<uint8_t> canonical(c.n * c.k);
  for (uint8_t& v : canonical) v = static_cast<uint8_t>(random());
  std::vector<float> w_scale(c.n);
  std::vector<int32_t> w_zero(c.n);
  for (float& v : w_scale) v = static_cast<float>(below(1000) + 1) * 1e-4f;
  for (int32_t& v : w_zero) v = c.symmetric ? 0 : below(256);
  const auto packed = [&](cpu::Layout layout) {
    const cpu::PackedHeader header = cpu::make_header(c.n, c.k, scheme, layout);
    std::vector<uint8_t> block(header.bytes);
    cpu::pack(header, canonical.data(), w_scale.data(), w_zero.data(), block.data());
    return std::pair(block, cpu::sections(header));
  };
  const auto [cpu_block, cpu_at] = packed(cpu::Layout::kCpuInt8);
  const auto [tiles_block, at] = packed(cpu::Layout::kCudaInt8);

  // x: rows of u8 with scales; one row is NaN.
  const int64_t k_pad = tile_depth(c.k);
  std::vector<uint8_t> x_block((c.m + 1) * cpu::activation_bytes_per_row(c.k));
  const cpu::QuantizedRows x = cpu::activation_rows(x_block.data(), c.m, c.k, 1);
  Buffer<uint8_t> x_tiles(c.m * k_pad);
  Buffer<float> x_scale(c.m);
  Buffer<int32_t> x_zero(c.m), x_sum(c.m);
  std::fill_n(x_tiles.data(), x_tiles.size(), uint8_t{0});
  for (int64_t r = 0; r < c.m; ++r) {
    x_scale.data()[r] = x.scale[r] = static_cast<float>(below(1000) + 1) * 1e-4f;
    if (r == 3 && c.seed % 4 == 0) x_scale.data()[r] = x.scale[r] = std::numeric_limits<float>::quiet_NaN();
    x_zero.data()[r] = x.zero[r] = below(256);
    int32_t sum = 0;
    for (int64_t k = 0; k < c.k; ++k) {
      const auto v = static_cast<uint8_t>(random());
      x.q[x.offset(r, k / 4 * 4) + k % 4] = x_tiles.data()[tiled_offset(r, k, c.m, k_pad)] = v;
      sum += v;
    }
    x_sum.data()[r] = x.sum[r] = sum;
  }

  const Buffer<uint8_t> w(tiles_block);
  Buffer<float> bias(columns), gamma(columns), residual(c.m * columns);
  Buffer<uint16_t> residual16(c.m * columns);
  for (int64_t i = 0; i < columns; ++i) bias.data()[i] = small(), gamma.data()[i] = small();
  for (int64_t i = 0; i < c.m * columns; ++i) {
    residual.data()[i] = c.result == Result::kBFloat16 ? rounded(small()) : small();
    residual16.data()[i] = static_cast<uint16_t>(bfloat16_bits(residual.data()[i]));
  }

  cpu::LinearInt8Job expected;
  expected.k = c.k;
  expected.x = x;
  expected.w = reinterpret_cast<const int8_t*>(cpu_block.data() + cpu_at.weight);
  expected.w_scale = reinterpret_cast<const float*>(cpu_block.data() + cpu_at.scale);
  expected.w_sum = reinterpret_cast<const int32_t*>(cpu_block.data() + cpu_at.sum);
  if (!c.symmetric) expected.w_zero = reinterpret_cast<const int32_t*>(cpu_block.data() + cpu_at.zero);
  expected.out.first_column = c.column_begin;
  expected.out.bias = c.bias ? bias.data() : nullptr;
  expected.out.post_op = c.post_op;
  expected.out.gamma = c.gamma ? gamma.data() : nullptr;
  expected.out.residual = c.residual ? residual.data() : nullptr;
  expected.out.residual_stride = columns;
  std::vector<float> y(c.m * columns);
  std::vector<uint8_t> q_block((c.m + 1) * cpu::activation_bytes_per_row(columns));
  const int32_t y_zero = c.y_symmetric ? 128 : below(256);
  if (c.result == Result::kUInt8) {
    expected.out.q = cpu::activation_rows(q_block.data(), c.m, columns, 1);
    expected.out.y_scale = 0.37f;
    expected.out.y_zero = y_zero;
    expected.out.y_symmetric = c.y_symmetric;
    cpu::begin_static(expected.out.q, columns, 0.37f, y_zero);
  } else {
    expected.out.y = y.data();
    expected.out.y_stride = columns;
  }
  cpu::linear_int8_ref(expected, {0, c.m}, {c.column_begin, c.column_end});

  LinearInt8 a;
  a.rows = c.m;
  a.x = x_tiles.data();
  a.w = reinterpret_cast<const int8_t*>(w.data() + at.weight);
  a.n_pad = at.n_pad;
  a.scales = {c.k, x_scale.data(), x_zero.data(), x_sum.data()};
  a.scales.w_scale = reinterpret_cast<const float*>(w.data() + at.scale);
  a.scales.w_sum = reinterpret_cast<const int32_t*>(w.data() + at.sum);
  if (!c.symmetric) a.scales.w_zero = reinterpret_cast<const int32_t*>(w.data() + at.zero);
  a.out.first_column = c.column_begin;
  a.out.columns = columns;
  a.out.bias = expected.out.bias;
  a.out.post_op = c.post_op;
  a.out.gamma = expected.out.gamma;
  a.out.residual_stride = columns;
  if (c.residual)
    a.out.residual =
        c.result == Result::kBFloat16 ? static_cast<const void*>(residual16.data()) : residual.data();
  const int64_t y_pad = tile_depth(columns);
  Buffer<float> y32(c.result == Result::kFloat32 ? c.m * columns : 0);
  Buffer<uint16_t> y16(c.result == Result::kBFloat16 ? c.m * columns : 0);
  Buffer<uint8_t> y8(c.result == Result::kUInt8 ? c.m * y_pad : 0);
  Buffer<float> q_scale(c.m);
  std::fill_n(q_scale.data(), c.m, 0.37f);
  std::fill_n(y8.data(), y8.size(), uint8_t{0});
  a.out.y = c.result == Result::kFloat32    ? static_cast<void*>(y32.data())
            : c.result == Result::kBFloat16 ? static_cast<void*>(y16.data())
                                            : y8.data();
  a.out.y_stride = columns;
  a.out.q_scale = q_scale.data();
  a.out.y_scale = 0.37f;
  a.out.y_zero = y_zero;
  a.out.y_symmetric = c.y_symmetric;
  launch(c, a);

  for (int64_t r = 0; r < c.m; ++r) {
    if (c.result == Result::kUInt8) {
      ASSERT_EQ(std::isnan(q_scale.data()[r]), std::isnan(expected.out.q.scale[r])) << "row " << r;
    }
    for (int64_t i = 0; i < columns; ++i) {
      if (c.result == Result::kUInt8) {
        ASSERT_EQ(y8.data()[tiled_offset(r, i, c.m, y_pad)], expected.out.q.value(r, i))
            << "row " << r << " column " << i;
        continue;
      }
      const float want = c.result == Result::kBFloat16 ? rounded(y[r * columns + i]) : y[r * columns + i];
      const float got = c.result == Result::kBFloat16 ? from_bfloat16(y16.data()[r * columns + i])
                                                      : y32.data()[r * columns + i];
      if (std::isnan(want) && std::isnan(got)) continue;
      ASSERT_EQ(bits(got), bits(want)) << "row " << r << " column " << i << ": " << got << ", not " << want;
    }
    if (c.result != Result::kUInt8) continue;
    for (int64_t i = columns; i < y_pad; ++i)
      ASSERT_EQ(y8.data()[tiled_offset(r, i, c.m, y_pad)], 0) << "padding, row " << r << " column " << i;
  }
}

Case random_case(std::mt19937& random, int64_t m) {
  const int64_t sizes[] = {1, 2, 7, 16, 63, 64, 65, 100, 128, 130, 197, 256, 300, 384};
  const auto size = [&] { return sizes[random() % std::size(sizes)]; };
  const auto flag = [&] { return random() % 2 == 0; };
  Case c = {};
  c.m = m;
  c.n = size();
  c.k = random() % 4 == 0 ? 1100 : size();  // more chunks than any kernel has stages
  c.column_end = c.n;
  if (random() % 3 == 0) {  // a slice of a fused projection
    c.column_begin = random() % c.n;
    c.column_end = c.column_begin + 1 + random() % (c.n - c.column_begin);
  }
  c.symmetric = flag(), c.bias = flag(), c.gamma = flag(), c.residual = flag(), c.y_symmetric = flag();
  c.post_op = static_cast<cpu::PostOp>(random() % 3);
  c.result = static_cast<Result>(random() % 3);
  c.seed = random();
  return c;
}

void check_random(Launch launch, uint32_t seed, int64_t most_rows = 300) {
  std::mt19937 random(seed);
  for (const int64_t m :
       {1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 63, 64, 65, 70, 96, 127, 128, 129, 130, 200, 300}) {
    if (m > most_rows) return;
    check(launch, random_case(random, m));
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(CudaLinearInt8, Mma128HasTheReferencesBits) { check_random(&launch_mma<MmaTiles<128, 128, 3>>, 1); }
TEST(CudaLinearInt8, Mma64HasTheReferencesBits) { check_random(&launch_mma<MmaTiles<64, 64, 4>>, 2); }
TEST(CudaLinearInt8, SmallM16HasTheReferencesBits) {
  check_random(&launch_small_m<SmallMTiles<16, 6>>, 5, 16);
}
TEST(CudaLinearInt8, SmallM64HasTheReferencesBits) {
  check_random(&launch_small_m<SmallMTiles<64, 4>>, 6, 64);
}
TEST(CudaLinearInt8, Wgmma256HasTheReferencesBits) { check_random(&launch_wgmma<WgmmaTiles<256, 4>>, 3); }
TEST(CudaLinearInt8, Wgmma128HasTheReferencesBits) { check_random(&launch_wgmma<WgmmaTiles<128, 6>>, 4); }

// Sizes of whole tiles: every access of shared memory is without bank conflicts, and of the sectors of memory few are
// fetched for a part of them. A thread stores 8 float32 of a row in two instructions, each of half a sector, as it
// reads a float32 residual; scales and the like of 8 columns come so too, which counts where rows are few.
void check_counters(Launch launch, int64_t m) {
  Case c = {};
  c.m = m, c.n = c.column_end = 256, c.k = 512;
  c.bias = c.gamma = true;
  c.seed = 1;  // no row of NaN, which stores once more
  for (const Result result : {Result::kFloat32, Result::kBFloat16, Result::kUInt8}) {
    c.result = result;
    c.residual = result != Result::kUInt8;
    reset_counters();
    check(launch, c);
    EXPECT_EQ(counters().shared_wavefronts, counters().shared_ideal) << describe(c);
    const double most = result == Result::kFloat32 || m <= 16 ? 2.0 : 1.6;
    EXPECT_LE(static_cast<double>(counters().global_sectors),
              most * static_cast<double>(counters().global_ideal))
        << describe(c);
  }
}

TEST(CudaLinearInt8, AccessesMeetNoBankTwiceAndUseTheirSectors) {
  check_counters(&launch_mma<MmaTiles<128, 128, 3>>, 256);
  check_counters(&launch_mma<MmaTiles<64, 64, 4>>, 256);
  check_counters(&launch_small_m<SmallMTiles<16, 6>>, 16);
  check_counters(&launch_small_m<SmallMTiles<64, 4>>, 64);
  check_counters(&launch_wgmma<WgmmaTiles<256, 4>>, 256);
  check_counters(&launch_wgmma<WgmmaTiles<128, 6>>, 256);
}

}  // namespace
}  // namespace vqt::cuda
