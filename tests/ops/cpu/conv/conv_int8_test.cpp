// Every instruction set gives the reference's bits, in any cut. That the reference is the definition, and close to a
// float convolution, is tested from Python (tests/ops/conv_int8_test.py).
#include "cpu/conv/conv_int8.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "cpu/layout/packed_weight.h"

namespace vqt::cpu {
namespace {

constexpr char kUntouched = 0x5a;

struct Case {
  ConvForm form = ConvForm::kWinograd;
  int64_t frames = 1, channels = 0, height = 0, width = 0, n = 0;
  int64_t kernel = 3, stride = 1, padding = 1;
  int64_t x_height = 0, x_width = 0;  // 0: not resized
  bool position = false, residual = false, low = false, relu = false;
  MapDtype dtype = MapDtype::kFloat32;  // of all maps
};

std::ostream& operator<<(std::ostream& out, const Case& c) {
  return out << to_string(c.form) << " " << c.frames << " x " << c.channels << " x " << c.height << " x "
             << c.width << " -> " << c.n << ", kernel " << c.kernel << " stride " << c.stride << " padding "
             << c.padding << ", resized to " << c.x_height << " x " << c.x_width << ", position "
             << c.position << " residual " << c.residual << " low " << c.low << " relu " << c.relu
             << " dtype " << int(c.dtype);
}

// Memory that ends where the map does: a sanitizer sees what is read beyond it.
class Values {
 public:
  Values(int64_t count, MapDtype dtype, std::mt19937& random) : bytes_(count * bytes_of(dtype)) {
    std::normal_distribution<float> normal;
    for (int64_t i = 0; i < count; ++i) set(i, dtype, normal(random));
  }
  void set(int64_t i, MapDtype dtype, float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, 4);
    if (dtype == MapDtype::kFloat32) {
      std::memcpy(bytes_.data() + 4 * i, &bits, 4);
    } else {
      const uint16_t half = static_cast<uint16_t>(bits >> 16);
      std::memcpy(bytes_.data() + 2 * i, &half, 2);
    }
  }
  char* data() { return bytes_.data(); }

 private:
  std::vector<char> bytes_;
};

Map dense(void* data, MapDtype dtype, int64_t frames, int64_t height, int64_t width, int64_t channels) {
  Map m;
  m.data = data;
  m.dtype = dtype;
  m.frames = frames, m.height = height, m.width = width, m.channels = channels;
  m.pixel_stride = channels, m.row_stride = width * channels, m.frame_stride = height * width * channels;
  return m;
}

class Problem {
 public:
  explicit Problem(const Case& c, uint32_t seed = 1) : c_(c), random_(seed) {
    const bool resized = c.x_height > 0;
    const int64_t in_h = resized ? c.x_height : c.height, in_w = resized ? c.x_width : c.width;
    const bool transposed = c.form == ConvForm::kTransposed;
    const auto out = [&](int64_t in) {
      return transposed ? in * c.kernel : (in + 2 * c.padding - c.kernel) / c.stride + 1;
    };
    y_height = out(in_h), y_width = out(in_w);
    x_ = values(c.frames * c.height * c.width * c.channels);
    residual_ = values(c.residual ? c.frames * y_height * y_width * c.n : 0);
    low_ = values(c.low ? c.frames * 3 * 2 * c.n : 0);
    bias_ = floats(c.n);
    pos_x_ = floats(c.position ? in_w * c.channels / 2 : 0),
    pos_y_ = floats(c.position ? in_h * c.channels / 2 : 0);
    pack();
    job.form = c.form;
    job.kernel_h = job.kernel_w = c.kernel;
    job.stride_h = job.stride_w = transposed ? c.kernel : c.stride;
    job.pad_h = job.pad_w = c.padding;
    job.x = dense(x_.back().data(), c.dtype, c.frames, c.height, c.width, c.channels);
    job.x_height = in_h, job.x_width = in_w;
    if (c.position) job.pos_x = pos_x_.data(), job.pos_y = pos_y_.data();
    job.n = c.n;
    job.bias = bias_.data();
    if (c.residual) job.residual = dense(residual_.back().data(), c.dtype, c.frames, y_height, y_width, c.n);
    if (c.low) job.low = dense(low_.back().data(), c.dtype, c.frames, 3, 2, c.n);
    job.relu = c.relu;
  }

  // The bytes of y, and one pixel more that no kernel may write.
  std::vector<char> run(Isa isa, int threads = 1, int64_t l2 = int64_t{1} << 20,
                        AmxUse amx = AmxUse::kNever) {
    const int64_t bytes = c_.frames * y_height * y_width * c_.n * bytes_of(c_.dtype);
    std::vector<char> y(bytes + 64, kUntouched);
    job.y = dense(y.data(), c_.dtype, c_.frames, y_height, y_width, c_.n);
    const ConvPlan plan = plan_conv(job, isa, amx, threads, {l2, int64_t{16} << 20});
    for (int64_t block = plan.blocks - 1; block >= 0; --block) conv_int8_block(job, plan, block);
    for (int64_t i = bytes; i < bytes + 64; ++i) EXPECT_EQ(y[i], kUntouched);
    return y;
  }

  void set_x(int64_t i, float value) { x_.back().set(i, c_.dtype, value); }

  ConvInt8Job job;
  int64_t y_height, y_width;

 private:
  std::vector<Values> values(int64_t count) { return {Values(count, c_.dtype, random_)}; }
  std::vector<float> floats(int64_t count) {
    std::normal_distribution<float> normal;
    std::vector<float> v(count);
    for (float& f : v) f = normal(random_);
    return v;
  }

  void pack() {
    const ConvMatrixSize m = conv_matrix_size(c_.form, c_.n, c_.channels, {c_.kernel, c_.kernel});
    const PackedHeader header = make_header(m.rows, m.columns, Scheme(), Layout::kCpuInt8);
    std::vector<int8_t> q(m.rows * m.columns);
    for (int8_t& v : q) v = static_cast<int8_t>(static_cast<int>(random_() % 255) - 127);
    std::vector<float> scale(m.rows);
    for (float& s : scale) s = 0.001f + 0.0001f * static_cast<float>(random_() % 64);
    const std::vector<int32_t> zero(m.rows, 0);
    block_.resize(header.bytes / 64 + 1);
    uint8_t* const block = reinterpret_cast<uint8_t*>(block_.data());
    vqt::cpu::pack(header, q.data(), scale.data(), zero.data(), block);
    const PackedSections s = sections(header);
    job.w = reinterpret_cast<const int8_t*>(block + s.weight);
    job.w_scale = reinterpret_cast<const float*>(block + s.scale);
    job.w_sum = reinterpret_cast<const int32_t*>(block + s.sum);
  }

  struct alignas(64) Line {
    uint8_t bytes[64];
  };
  Case c_;
  std::mt19937 random_;
  std::vector<Values> x_, residual_, low_;
  std::vector<float> bias_, pos_x_, pos_y_;
  std::vector<Line> block_;
};

class ConvInt8 : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this CPU";
  }
  void expect_reference(const Case& c) {
    Problem p(c);
    const std::vector<char> want = p.run(Isa::kRef);
    ASSERT_EQ(p.run(GetParam()), want) << c;
    ASSERT_EQ(p.run(GetParam(), 3, int64_t{64} << 10), want) << c << ", other blocks";
  }
};

// Channels around every width of a vector, of a group of codes and of a panel; tiles of rows of every height.
TEST_P(ConvInt8, WinogradOfAllTails) {
  int64_t number = 0;
  for (int64_t channels :
       {1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 49, 63, 64, 65, 100, 128, 130}) {
    for (int64_t n : {1, 8, 15, 16, 17, 31, 32, 33, 48, 50}) {
      Case c;
      c.channels = channels, c.n = n;
      c.height = 1 + number % 5, c.width = 1 + number / 5 % 9;
      c.residual = number & 1, c.low = number & 2, c.relu = number & 4;
      c.dtype = number & 8 ? MapDtype::kBFloat16 : MapDtype::kFloat32;
      ++number;
      expect_reference(c);
    }
  }
}

TEST_P(ConvInt8, WinogradOfAllSmallSizes) {
  for (int64_t height = 1; height <= 7; ++height) {
    for (int64_t width = 1; width <= 31; ++width) {
      Case c;
      c.frames = 1 + width % 2, c.channels = 32, c.n = 16, c.height = height, c.width = width;
      c.padding = height > 2 && width > 2 ? width % 3 : 1;
      expect_reference(c);
    }
  }
}

TEST_P(ConvInt8, ResizedOnTheWay) {
  for (int64_t size : {1, 2, 3, 5, 12, 27}) {
    for (int64_t channels : {2, 24, 32, 70}) {
      Case c;
      c.frames = 2, c.channels = channels, c.n = 20, c.height = 1 + size / 2, c.width = 1 + size / 3;
      c.x_height = size, c.x_width = 45 - size;
      c.position = size % 2 == 0;
      c.relu = size % 3 == 0;
      c.dtype = size % 5 == 0 ? MapDtype::kBFloat16 : MapDtype::kFloat32;
      expect_reference(c);
    }
  }
  Case shrunk;  // to a size below x's
  shrunk.channels = 32, shrunk.n = 16, shrunk.height = 30, shrunk.width = 41, shrunk.x_height = 7,
  shrunk.x_width = 5;
  expect_reference(shrunk);
}

TEST_P(ConvInt8, OtherForms) {
  int64_t number = 0;
  for (ConvForm form : {ConvForm::kPointwise, ConvForm::kWindows, ConvForm::kTransposed}) {
    for (int64_t channels : {1, 7, 16, 33, 64}) {
      for (int64_t n : {1, 15, 16, 17, 40}) {
        for (int64_t width : {1, 5, 26}) {
          Case c;
          c.form = form, c.channels = channels, c.n = n, c.frames = 2, c.height = 3, c.width = width;
          c.kernel = form == ConvForm::kPointwise ? 1 : 1 + number % 3;
          c.stride = form == ConvForm::kWindows ? 1 + number / 3 % 2 : 1;
          c.padding = form == ConvForm::kWindows ? c.kernel / 2 : 0;
          c.residual = number & 1, c.low = number & 2, c.relu = number & 4;
          c.dtype = number & 8 ? MapDtype::kBFloat16 : MapDtype::kFloat32;
          ++number;
          expect_reference(c);
        }
      }
    }
  }
}

// x in the middle of a larger tensor: tokens behind class tokens, seen as a map.
TEST_P(ConvInt8, FramesApart) {
  for (ConvForm form : {ConvForm::kPointwise, ConvForm::kWinograd}) {
    Case c;
    c.form = form, c.frames = 2, c.channels = 40, c.n = 24, c.height = 5, c.width = 6;
    if (form == ConvForm::kPointwise) c.kernel = 1, c.padding = 0;
    Problem p(c);
    const std::vector<char> want = p.run(Isa::kRef);
    const int64_t frame = c.height * c.width * c.channels, gap = 3 * c.channels;
    std::vector<float> apart(2 * (frame + gap));
    const float* from = static_cast<const float*>(p.job.x.data);
    for (int64_t f = 0; f < 2; ++f) {
      std::memcpy(apart.data() + f * (frame + gap) + gap, from + f * frame, frame * sizeof(float));
    }
    p.job.x.data = apart.data() + gap;
    p.job.x.frame_stride = frame + gap;
    EXPECT_EQ(p.run(GetParam()), want) << to_string(form);
  }
}

// A value that is not finite: the results of its tiles are NaN or as they were, others do not change; every
// instruction set has the same. Tiny and huge values are finite ones.
TEST_P(ConvInt8, NotFinite) {
  Case c;
  c.channels = 37, c.n = 16, c.height = 9, c.width = 8;
  Problem good(c);
  const std::vector<char> before = good.run(Isa::kRef);
  for (float value : {std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                      std::numeric_limits<float>::quiet_NaN()}) {
    Problem p(c);
    p.set_x((4 * c.width + 5) * c.channels + 36, value);  // pixel 4, 5
    const std::vector<char> y = p.run(GetParam());
    EXPECT_EQ(y, p.run(Isa::kRef));
    const float* now = reinterpret_cast<const float*>(y.data());
    const float* was = reinterpret_cast<const float*>(before.data());
    for (int64_t i = 0; i < c.height * c.width * c.n; ++i) {
      const int64_t row = i / c.n / c.width, column = i / c.n % c.width;
      const bool reads = std::abs(row - 4) <= 1 && std::abs(column - 5) <= 1;
      const bool tile = row / 2 >= 1 && row / 2 <= 2 && column / 2 >= 2 && column / 2 <= 3;
      EXPECT_TRUE(!reads || std::isnan(now[i])) << row << " " << column;
      EXPECT_TRUE(tile || now[i] == was[i]) << row << " " << column;
    }
  }
  for (float value : {0.0f, 1e-45f, 1e-31f, 1e-29f, 1e37f}) {
    Problem p(c);
    for (int64_t i = 0; i < c.channels * c.height * c.width; ++i) p.set_x(i, i % 3 == 0 ? value : -value);
    const std::vector<char> y = p.run(GetParam());
    EXPECT_EQ(y, p.run(Isa::kRef)) << value;
    EXPECT_TRUE(std::isfinite(reinterpret_cast<const float*>(y.data())[0])) << value;
  }
}

// Whole and partial tiles of rows, one and two panels, every form; channels that AMX does not take.
TEST(ConvInt8Amx, GivesTheReferencesBits) {
  if (!available(Isa::kAmx)) GTEST_SKIP() << "amx is not on this CPU";
  int64_t number = 0;
  for (ConvForm form :
       {ConvForm::kWinograd, ConvForm::kPointwise, ConvForm::kWindows, ConvForm::kTransposed}) {
    for (int64_t channels : {64, 100, 128, 192}) {
      for (int64_t n : {16, 20, 32, 80}) {
        for (int64_t width : {7, 12, 31, 62}) {
          Case c;
          c.form = form, c.channels = channels, c.n = n, c.frames = 2, c.height = 9, c.width = width;
          c.kernel = form == ConvForm::kPointwise ? 1 : form == ConvForm::kTransposed ? 2 : 3;
          c.stride = form == ConvForm::kWindows ? 2 : 1;
          c.padding = form == ConvForm::kWinograd || form == ConvForm::kWindows;
          c.residual = number & 1, c.low = number & 2, c.relu = number & 4;
          c.dtype = number & 8 ? MapDtype::kBFloat16 : MapDtype::kFloat32;
          if (form == ConvForm::kWinograd && number % 3 == 0) c.x_height = 12, c.x_width = width + 5;
          ++number;
          Problem p(c);
          const std::vector<char> want = p.run(Isa::kRef);
          for (int threads : {1, 3}) {
            ASSERT_EQ(p.run(Isa::kAvx512Vnni, threads, int64_t{1} << 20, AmxUse::kWhereItPays), want) << c;
          }
        }
      }
    }
  }
}

TEST(ConvPlan, WinogradOnAvx512VnniIsFused) {
  Case c;
  c.channels = 64, c.n = 64, c.height = 28, c.width = 37;
  Problem p(c);
  p.job.y = dense(nullptr, MapDtype::kFloat32, 1, p.y_height, p.y_width, c.n);
  const auto on_vnni = [&](AmxUse amx) { return plan_conv(p.job, Isa::kAvx512Vnni, amx, 2); };
  EXPECT_TRUE(on_vnni(AmxUse::kNever).fused());
  EXPECT_FALSE(on_vnni(AmxUse::kNever).fused_amx());
  EXPECT_TRUE(on_vnni(AmxUse::kWhereItPays).fused_amx());
  EXPECT_FALSE(on_vnni(AmxUse::kAlways).fused_amx());  // torch's product of a linear
  EXPECT_FALSE(plan_conv(p.job, Isa::kAvx2, AmxUse::kNever, 2).fused());
  const ConvPlan plan =
      plan_conv(p.job, Isa::kAvx2, AmxUse::kNever, 2, {int64_t{1} << 20, int64_t{16} << 20});
  EXPECT_EQ(plan.all_rows, 14 * 19);  // tiles
  EXPECT_EQ(plan.blocks, 2);          // an even share for each thread
  EXPECT_EQ(plan.rows, 133);
  EXPECT_EQ(plan.linear, LinearKernel::kInt8StrassenAvx2);
}

INSTANTIATE_TEST_SUITE_P(Isas, ConvInt8, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace vqt::cpu
