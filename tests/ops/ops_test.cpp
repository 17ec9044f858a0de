// The C++ entry, vqt/ops.h: the functions are the ops, their errors are c10's.
#include "vqt/ops.h"

#include <ATen/Functions.h>
#include <ATen/TensorOperators.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

namespace vqt {
namespace {

at::Tensor ramp(int64_t n, int64_t k) { return at::linspace(-3, 5, n * k).reshape({n, k}); }

TEST(Ops, RoundTripThroughEveryFunction) {
  const at::Tensor w = ramp(5, 64);
  const auto [scale, zero] = choose_qparams(w, 4, false, "group", 32);
  const at::Tensor q = quantize_tensor(w, scale, zero, 4, false, "group", 32);
  EXPECT_EQ(q.sizes(), (at::IntArrayRef{5, 32}));
  const at::Tensor packed = pack_weight(q, scale, zero, 4, false, "group", 32, 64, "auto");
  const auto [q2, scale2, zero2] = unpack_weight(packed, 64, 4, false, "group", 32);
  EXPECT_TRUE(at::equal(q, q2));
  EXPECT_TRUE(at::equal(scale, scale2));
  EXPECT_TRUE(at::equal(zero, zero2));
  const at::Tensor back = dequantize_tensor(q, scale, zero, 4, false, "group", 32, 64, at::kFloat);
  EXPECT_LE((back - w).abs().max().item<float>(), scale.max().item<float>());
  const auto [tokens, token_scale, token_zero] = quantize_per_token(w, true);
  EXPECT_LE(((tokens - token_zero) * token_scale - w).abs().max().item<float>(),
            token_scale.max().item<float>() * 0.501f);
}

TEST(Ops, APackedWeightSaysWhatItIs) {
  const at::Tensor w = ramp(3, 9);
  const auto info_of = [&](const Scheme& s, const char* layout) {
    const auto [scale, zero] = choose_qparams(w, s.bits, s.symmetric, to_string(s.granularity), s.group_size);
    const at::Tensor q =
        quantize_tensor(w, scale, zero, s.bits, s.symmetric, to_string(s.granularity), s.group_size);
    return packed_info(
        pack_weight(q, scale, zero, s.bits, s.symmetric, to_string(s.granularity), s.group_size, 9, layout));
  };
  for (const Scheme& s :
       {Scheme{8, true, Granularity::kPerTensor, 0}, Scheme{8, false, Granularity::kPerChannel, 0},
        Scheme{4, true, Granularity::kGroup, -1}, Scheme{4, false, Granularity::kGroup, 64},
        Scheme{16, true, Granularity::kPerChannel, 0}}) {
    const PackedInfo info = info_of(s, "auto");
    EXPECT_EQ(info.n, 3);
    EXPECT_EQ(info.k, 9);
    EXPECT_TRUE(info.scheme == s);
    EXPECT_EQ(info.layout, s.bits == 16 ? "canonical" : "cpu");
    EXPECT_EQ(info_of(s, "canonical").layout, "canonical");
  }
}

TEST(Ops, ErrorsAreOneSentence) {
  try {
    packed_info(at::zeros({4, 100}, at::kByte));
    FAIL() << "no error";
  } catch (const c10::ValueError& error) {
    EXPECT_EQ(std::string(error.what_without_backtrace()),
              "vqt::packed_info: packed: expected a packed weight (uint8 [N, bytes a row], made by "
              "vqt::pack_weight), "
              "got uint8 [4, 100]: it does not start with VQTW");
  }
  EXPECT_THROW(quantize_per_token(at::zeros({4}, at::kInt), false), c10::TypeError);
}

}  // namespace
}  // namespace vqt
