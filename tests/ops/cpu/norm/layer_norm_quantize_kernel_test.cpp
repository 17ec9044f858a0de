#include "cpu/norm/layer_norm_quantize_kernel.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "tests/case_random.h"

namespace vqt::cpu {
namespace {

class LayerNormQuantize : public testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!available(GetParam())) GTEST_SKIP() << to_string(GetParam()) << " is not on this CPU";
  }
};

// One block of bytes, q, scale, zero and sum: those of the whole norm, quantized at once by the reference.
TEST_P(LayerNormQuantize, EqualsTheStepsOneAfterTheOther) {
  const int64_t tile = activation_tile(GetParam());
  for (const int64_t k : {1, 7, 33, 64, 100}) {
    for (int64_t rows = 0; rows <= 40; ++rows) {
      CaseRandom random({k, rows});
      if (random.left_out()) continue;
      std::normal_distribution<float> normal;
      std::vector<float> x(rows * (k + 3) + 1), weight(k), bias(k), y(rows * k + 1);
      for (float& v : x) v = normal(random);
      for (float& v : weight) v = normal(random) + 1.0f;
      for (float& v : bias) v = normal(random);
      const size_t bytes = rows * activation_bytes_per_row(k);
      std::vector<uint32_t> got(bytes / 4 + 1, 0xeeeeeeee), want(got);  // aligned
      LayerNorm norm;
      norm.x = x.data();
      norm.x_stride = k + 3;
      norm.k = k;
      norm.norm = {weight.data(), bias.data(), 1e-5};
      QuantizeRowsJob quantize;
      quantize.k = quantize.x_stride = k;
      quantize.symmetric = rows % 2 != 0;
      quantize.dynamic = rows % 3 != 0;
      quantize.static_scale = 0.02f;
      quantize.out = activation_rows(reinterpret_cast<uint8_t*>(got.data()), rows, k, tile);
      const int64_t split = quantize.out.first(rows / 2);
      layer_norm_quantize(norm, quantize, GetParam(), {split, rows});
      layer_norm_quantize(norm, quantize, GetParam(), {0, split});

      norm.y = y.data();
      layer_norm_ref(norm, {0, rows});
      quantize.x = y.data();
      quantize.out = activation_rows(reinterpret_cast<uint8_t*>(want.data()), rows, k, tile);
      quantize_rows_ref(quantize, 0, rows);
      ASSERT_EQ(got, want) << "k " << k << " rows " << rows;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, LayerNormQuantize, testing::ValuesIn(kIsas),
                         [](const auto& info) { return std::string(to_string(info.param)); });

}  // namespace
}  // namespace vqt::cpu
