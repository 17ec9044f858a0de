#include "cpu/layout/packed_weight.h"

#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace vqt::cpu {
namespace {

struct Weight {
  int64_t n, k;
  Scheme scheme;
  std::vector<uint8_t> canonical;
  std::vector<float> scale;
  std::vector<int32_t> zero;

  // The stored integer of row r, column c: signed when symmetric.
  int value(int64_t r, int64_t c) const {
    if (scheme.bits == 4) {
      const int nibble = canonical[r * ((k + 1) / 2) + c / 2] >> (c % 2 * 4) & 15;
      return scheme.symmetric && nibble >= 8 ? nibble - 16 : nibble;
    }
    if (scheme.bits == 16) {
      int16_t v;
      std::memcpy(&v, &canonical[2 * (r * k + c)], 2);
      return v;
    }
    const uint8_t byte = canonical[r * k + c];
    return scheme.symmetric ? static_cast<int8_t>(byte) : byte;
  }
  int64_t scale_index(int64_t r, int64_t c) const {
    if (scheme.granularity == Granularity::kPerTensor) return 0;
    if (scheme.granularity == Granularity::kPerChannel) return r;
    const int64_t group = scheme.group_size < 0 ? k : scheme.group_size;
    return r * ((k + group - 1) / group) + c / group;
  }
};

Weight random_weight(int64_t n, int64_t k, const Scheme& scheme) {
  std::mt19937 random(static_cast<unsigned>(n * 1000 + k));
  Weight w = {n, k, scheme, {}, {}, {}};
  w.canonical.resize(canonical_bytes(n, k, scheme.bits));
  for (uint8_t& byte : w.canonical) byte = static_cast<uint8_t>(random());
  if (scheme.bits == 4 && k % 2 != 0) {
    for (int64_t r = 0; r < n; ++r) w.canonical[(r + 1) * ((k + 1) / 2) - 1] &= 15;
  }
  const int64_t scales = scale_count(n, k, scheme);
  for (int64_t i = 0; i < scales; ++i) {
    w.scale.push_back(static_cast<float>(random() % 1000 + 1) / 64);
    w.zero.push_back(scheme.symmetric ? 0 : static_cast<int32_t>(random() % (1u << scheme.bits)));
  }
  return w;
}

std::vector<Weight> weights() {
  std::vector<Weight> all;
  for (const int64_t n : {1, 2, 15, 16, 17, 33}) {
    for (const int64_t k : {1, 2, 3, 4, 7, 8, 9, 16, 31, 32, 64, 72, 100}) {
      for (const int64_t bits : {4, 8, 16}) {
        for (const bool symmetric : {true, false}) {
          if (bits == 16 && !symmetric) continue;
          all.push_back(random_weight(n, k, {bits, symmetric, Granularity::kPerTensor, 0}));
          all.push_back(random_weight(n, k, {bits, symmetric, Granularity::kPerChannel, 0}));
          for (const int64_t group : {-1, 1, 8, 16, 32, 64, 1000}) {
            all.push_back(random_weight(n, k, {bits, symmetric, Granularity::kGroup, group}));
          }
        }
      }
    }
  }
  return all;
}

std::string describe(const Weight& w, Layout layout) {
  return std::to_string(w.n) + "x" + std::to_string(w.k) + " bits " + std::to_string(w.scheme.bits) +
         (w.scheme.symmetric ? " sym " : " asym ") + to_string(w.scheme.granularity) + " " +
         std::to_string(w.scheme.group_size) + " layout " + std::to_string(static_cast<int>(layout));
}

std::vector<uint8_t> packed(const Weight& w, Layout layout) {
  const PackedHeader h = make_header(w.n, w.k, w.scheme, layout);
  std::vector<uint8_t> block(h.bytes, 0xee);
  pack(h, w.canonical.data(), w.scale.data(), w.zero.data(), block.data());
  return block;
}

TEST(PackedWeight, RoundTripsEveryScheme) {
  for (const Weight& w : weights()) {
    for (const Layout layout : {Layout::kCanonical, fast_layout(w.k, w.scheme), cuda_layout(w.k, w.scheme)}) {
      const std::vector<uint8_t> block = packed(w, layout);
      std::vector<uint8_t> canonical(w.canonical.size(), 0xdd);
      std::vector<float> scale(w.scale.size());
      std::vector<int32_t> zero(w.zero.size());
      unpack(block.data(), canonical.data(), scale.data(), zero.data());
      ASSERT_EQ(canonical, w.canonical) << describe(w, layout);
      ASSERT_EQ(scale, w.scale) << describe(w, layout);
      ASSERT_EQ(zero, w.zero) << describe(w, layout);
    }
  }
}

TEST(PackedWeight, DequantizesAnyRowsOfEveryScheme) {
  for (const Weight& w : weights()) {
    for (const Layout layout : {Layout::kCanonical, fast_layout(w.k, w.scheme), cuda_layout(w.k, w.scheme)}) {
      const std::vector<uint8_t> block = packed(w, layout);
      const int64_t begin = w.n / 3;
      std::vector<float> got((w.n - begin) * w.k, -1), want;
      dequantize_packed(block.data(), begin, w.n, got.data());
      for (int64_t r = begin; r < w.n; ++r) {
        for (int64_t c = 0; c < w.k; ++c) {
          const int64_t i = w.scale_index(r, c);
          want.push_back(static_cast<float>(w.value(r, c) - w.zero[i]) * w.scale[i]);
        }
      }
      ASSERT_EQ(got, want) << describe(w, layout);
    }
  }
}

// Reads the panels by the drawing in packed_weight.h, element by element.
TEST(PackedWeight, Int8PanelsAreAsDrawn) {
  for (const Weight& w : weights()) {
    if (fast_layout(w.k, w.scheme) != Layout::kCpuInt8) continue;
    const std::vector<uint8_t> block = packed(w, Layout::kCpuInt8);
    const PackedSections s = sections(make_header(w.n, w.k, w.scheme, Layout::kCpuInt8));
    ASSERT_EQ(s.weight % 64, 0);
    ASSERT_EQ(s.total, static_cast<int64_t>(block.size()));
    const auto* weight = reinterpret_cast<const int8_t*>(block.data() + s.weight);
    const auto* scale = reinterpret_cast<const float*>(block.data() + s.scale);
    const auto* zero = reinterpret_cast<const int32_t*>(block.data() + s.zero);
    const auto* sums = reinterpret_cast<const int32_t*>(block.data() + s.sum);
    const int shift = w.scheme.symmetric ? 0 : 128;
    for (int64_t r = 0; r < s.n_pad; ++r) {
      int sum = 0;
      for (int64_t c = 0; c < s.k_pad; ++c) {
        const int stored = weight[((r / 16 * (s.k_pad / 4) + c / 4) * 16 + r % 16) * 4 + c % 4];
        ASSERT_EQ(stored, r < w.n && c < w.k ? w.value(r, c) - shift : 0) << describe(w, Layout::kCpuInt8);
        sum += stored;
      }
      ASSERT_EQ(sums[r], sum);
      const int64_t i = w.scheme.granularity == Granularity::kPerTensor ? 0 : r;
      ASSERT_EQ(scale[r], r < w.n ? w.scale[i] : 0.0f);
      ASSERT_EQ(zero[r], r < w.n && !w.scheme.symmetric ? w.zero[i] - 128 : 0);
    }
  }
}

// The thread that gets row 8 j + 2 t + e of W's tile from a tensor core holds columns 8 t .. 8 t + 7 of y, and 32 more.
TEST(PackedWeight, Int8TilesAreAsDrawn) {
  for (const int64_t n : {1, 63, 64, 65, 130}) {
    for (const int64_t k : {1, 3, 16, 127, 128, 129, 300}) {
      for (const bool symmetric : {true, false}) {
        const Weight w = random_weight(n, k, {8, symmetric, Granularity::kPerChannel, 0});
        const std::vector<uint8_t> block = packed(w, Layout::kCudaInt8);
        const PackedSections s = sections(make_header(n, k, w.scheme, Layout::kCudaInt8));
        ASSERT_EQ(s.n_pad, (n + 63) / 64 * 64);
        ASSERT_EQ(s.k_pad, (k + 127) / 128 * 128);
        ASSERT_EQ(s.weight % 64, 0);
        ASSERT_EQ(s.total, static_cast<int64_t>(block.size()));
        ASSERT_EQ(s.total, s.weight + s.n_pad * s.k_pad);
        const auto* weight = reinterpret_cast<const int8_t*>(block.data() + s.weight);
        const auto* scale = reinterpret_cast<const float*>(block.data() + s.scale);
        const auto* zero = reinterpret_cast<const int32_t*>(block.data() + s.zero);
        const auto* sums = reinterpret_cast<const int32_t*>(block.data() + s.sum);
        for (int64_t tile = 0; tile < s.n_pad / 64; ++tile) {
          for (int half = 0; half < 2; ++half) {
            for (int t = 0; t < 4; ++t) {
              for (int i = 0; i < 8; ++i) {  // of the thread's columns: two of each 8 rows
                const int64_t column = tile * 64 + half * 32 + 8 * t + i;
                const int64_t row = 8 * (half * 4 + i / 2) + 2 * t + i % 2;
                int sum = 0;
                for (int64_t c = 0; c < s.k_pad; ++c) {
                  const int64_t at = (tile * (s.k_pad / 128) + c / 128) * 8192 + row * 128 +
                                     (c % 128 / 16 ^ row % 8) * 16 + c % 16;
                  ASSERT_EQ(weight[at], column < n && c < k ? w.value(column, c) - (symmetric ? 0 : 128) : 0)
                      << describe(w, Layout::kCudaInt8) << " column " << column << " k " << c;
                  sum += weight[at];
                }
                ASSERT_EQ(sums[column], sum);
                ASSERT_EQ(scale[column], column < n ? w.scale[column] : 0.0f);
                ASSERT_EQ(zero[column], column < n && !symmetric ? w.zero[column] - 128 : 0);
              }
            }
          }
        }
      }
    }
  }
}

TEST(PackedWeight, CudaHasTilesForEightBitsWithAScaleARow) {
  EXPECT_EQ(cuda_layout(9, {8, true, Granularity::kPerChannel, 0}), Layout::kCudaInt8);
  EXPECT_EQ(cuda_layout(9, {8, false, Granularity::kPerTensor, 0}), Layout::kCudaInt8);
  EXPECT_EQ(cuda_layout(9, {8, true, Granularity::kGroup, -1}), Layout::kCudaInt8);
  EXPECT_EQ(cuda_layout(9, {8, true, Granularity::kGroup, 3}), Layout::kCanonical);
  EXPECT_EQ(cuda_layout(9, {4, true, Granularity::kPerChannel, 0}), Layout::kCanonical);
  EXPECT_EQ(cuda_layout(9, {16, true, Granularity::kPerChannel, 0}), Layout::kCanonical);
}

TEST(PackedWeight, Int4PanelsAreAsDrawn) {
  for (const Weight& w : weights()) {
    if (fast_layout(w.k, w.scheme) != Layout::kCpuInt4) continue;
    const std::vector<uint8_t> block = packed(w, Layout::kCpuInt4);
    const PackedHeader h = make_header(w.n, w.k, w.scheme, Layout::kCpuInt4);
    const PackedSections s = sections(h);
    ASSERT_EQ(s.total, static_cast<int64_t>(block.size()));
    const int64_t whole = row_group(h), groups = (w.k + whole - 1) / whole, k_pad = (w.k + 7) / 8 * 8;
    const int64_t head = 64 + (w.scheme.symmetric ? 0 : 16);
    ASSERT_EQ(s.k_pad, k_pad);
    ASSERT_EQ(s.group_bytes, head + (whole + 7) / 8 * 64);
    const auto* offset = reinterpret_cast<const float*>(block.data() + s.offset);
    for (int64_t r = 0; r < s.n_pad; ++r) {
      double total = 0;
      for (int64_t g = 0; g < groups; ++g) {
        const int64_t group = std::min(whole, w.k - g * whole),
                      group_pad = (group + 7) / 8 * 8;  // the last is short
        const uint8_t* at =
            block.data() + s.weight + r / 16 * (groups * head + k_pad / 8 * 64) + g * s.group_bytes;
        float scale;
        std::memcpy(&scale, at + r % 16 * 4, 4);
        const int zero = w.scheme.symmetric ? 8 : at[64 + r % 16];
        const uint8_t* nibbles = at + 64 + (w.scheme.symmetric ? 0 : 16);
        const int64_t i = r < w.n ? w.scale_index(r, g * whole) : 0;
        ASSERT_EQ(scale, r < w.n ? w.scale[i] : 0.0f) << describe(w, Layout::kCpuInt4);
        if (r < w.n && !w.scheme.symmetric) {
          ASSERT_EQ(zero, w.zero[i]);
        }
        int sum = 0;
        for (int64_t c = 0; c < group_pad; ++c) {
          const uint8_t byte = nibbles[(c / 8 * 16 + r % 16) * 4 + c % 4];
          const int nibble = c % 8 < 4 ? byte & 15 : byte >> 4;
          const bool real = r < w.n && c < group;
          ASSERT_EQ(nibble, real ? w.value(r, g * whole + c) + (w.scheme.symmetric ? 8 : 0) : 0)
              << describe(w, Layout::kCpuInt4) << " row " << r << " column " << g * whole + c;
          if (real) sum += nibble - zero;
        }
        total += static_cast<double>(scale) * sum;
      }
      ASSERT_EQ(offset[r], static_cast<float>(total)) << describe(w, Layout::kCpuInt4);
    }
  }
}

TEST(PackedWeight, FastLayoutsNeedGroupsOfWholeBytes) {
  const auto layout = [](int64_t k, int64_t bits, Granularity granularity, int64_t group) {
    return fast_layout(k, {bits, true, granularity, group});
  };
  EXPECT_EQ(layout(9, 8, Granularity::kPerChannel, 0), Layout::kCpuInt8);
  EXPECT_EQ(layout(9, 8, Granularity::kGroup, 9), Layout::kCpuInt8);
  EXPECT_EQ(layout(9, 8, Granularity::kGroup, 3), Layout::kCanonical);
  EXPECT_EQ(layout(9, 4, Granularity::kGroup, 64), Layout::kCpuInt4);
  EXPECT_EQ(layout(9, 4, Granularity::kGroup, -1), Layout::kCpuInt4);
  EXPECT_EQ(layout(128, 4, Granularity::kGroup, 64), Layout::kCpuInt4);
  EXPECT_EQ(layout(96, 4, Granularity::kGroup, 64), Layout::kCpuInt4);
  EXPECT_EQ(layout(97, 4, Granularity::kGroup, 64), Layout::kCpuInt4);
  EXPECT_EQ(layout(97, 4, Granularity::kGroup, 100), Layout::kCpuInt4);
  EXPECT_EQ(layout(97, 4, Granularity::kGroup, 20), Layout::kCanonical);
  EXPECT_EQ(layout(96, 4, Granularity::kGroup, 4), Layout::kCanonical);
  EXPECT_EQ(layout(96, 16, Granularity::kPerChannel, 0), Layout::kCanonical);
}

TEST(PackedWeight, PanelsInAnyOrderGiveTheSameBlock) {
  for (const Weight& w : weights()) {
    for (const Layout layout : {fast_layout(w.k, w.scheme), cuda_layout(w.k, w.scheme)}) {
      const PackedHeader h = make_header(w.n, w.k, w.scheme, layout);
      std::vector<uint8_t> block(h.bytes, 0xee);
      pack_head(h, w.scale.data(), w.zero.data(), block.data());
      for (int64_t panel = (w.n - 1) / kPanel; panel >= 0; --panel) {
        pack_panels(h, w.canonical.data(), w.scale.data(), w.zero.data(), panel, panel + 1, block.data());
      }
      ASSERT_EQ(block, packed(w, h.layout)) << describe(w, h.layout);
    }
  }
}

TEST(PackedWeight, ADamagedHeaderIsNamed) {
  const PackedHeader good = make_header(32, 64, {4, true, Granularity::kGroup, 32}, Layout::kCpuInt4);
  ASSERT_EQ(check_header(good, good.bytes), nullptr);
  ASSERT_EQ(check_header(good, good.bytes + 31), nullptr);  // filled up to 32 equal rows
  const auto verdict = [&](auto&& damage) {
    PackedHeader h = good;
    damage(h);
    const char* what = check_header(h, h.bytes);
    return std::string(what == nullptr ? "fine" : what);
  };
  EXPECT_EQ(verdict([](PackedHeader& h) { h.magic[0] = 'X'; }), "it does not start with VQTW");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.version = 9; }),
            "it was packed by another version of vqt; pack it again");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.layout = static_cast<Layout>(7); }), "its layout is unknown");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.n = 0; }), "its sizes are out of range");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.k = int64_t{1} << 60; }), "its sizes are out of range");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.bits = 5; }), "its bits are not 4, 8 or 16");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.symmetric = 2; }), "its symmetric flag is damaged");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.granularity = static_cast<Granularity>(3); }),
            "its granularity is unknown");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.group_size = 0; }), "its group size is out of range");
  EXPECT_EQ(verdict([](PackedHeader& h) {
              h.group_size = 24;
              h.version = kPackedVersion;
            }),
            "its layout does not go with its scheme");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.layout = Layout::kCpuInt8; }),
            "its layout does not go with its scheme");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.layout = Layout::kCudaInt8; }),
            "its layout does not go with its scheme");
  EXPECT_EQ(verdict([](PackedHeader& h) { h.n = 48; }), "its size does not follow from its scheme");
  EXPECT_STREQ(check_header(good, good.bytes - 1), "it is cut short");
  EXPECT_STREQ(check_header(good, good.bytes + 32), "it is longer than its header says");
}

}  // namespace
}  // namespace vqt::cpu
