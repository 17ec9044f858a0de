// Nests of tensors as flat lists, and differences against numbers worked by hand.
#include "vqt/outputs.h"

#include <ATen/ops/full.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include <cmath>

#include "vqt/error.h"

namespace vqt {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

at::Tensor number(double value) { return at::full({1}, value); }

std::vector<std::string> paths(const NamedTensors& list) {
  std::vector<std::string> out;
  for (const auto& [path, tensor] : list) out.push_back(path);
  return out;
}

// What a TorchScript function with this body returns.
c10::IValue returned(const std::string& body) {
  torch::jit::Module module("M");
  module.define("def forward(self, x):\n    " + body + "\n");
  return module.forward({number(1)});
}

TEST(FlattenOutputs, ABareTensorIsCalledOutput) {
  EXPECT_THAT(paths(flatten_outputs(number(1))), ElementsAre("output"));
}

TEST(FlattenOutputs, NestsBecomeDottedPathsInOrder) {
  EXPECT_THAT(paths(flatten_outputs(returned("return (x, [x, x], {\"b\": x, \"a\": x})"))),
              ElementsAre("0", "1.0", "1.1", "2.b", "2.a"));
  EXPECT_THAT(paths(flatten_outputs(returned("return {\"pose\": {7: x}, \"depth\": {3: x}}"))),
              ElementsAre("pose.7", "depth.3"));
  EXPECT_THAT(paths(flatten_outputs(returned("return (x, (x, (x,)))"))), ElementsAre("0", "1.0", "1.1.0"));
}

TEST(FlattenOutputs, NamedTuplesGiveTheirNames) {
  const auto type = c10::TupleType::createNamed("Result", std::vector<std::string>{"depth", "pose"},
                                                std::vector<c10::TypePtr>(2, c10::TensorType::get()));
  EXPECT_THAT(paths(flatten_outputs(c10::ivalue::Tuple::createNamed({number(1), number(2)}, type))),
              ElementsAre("depth", "pose"));
}

TEST(FlattenOutputs, NumbersCountNoneAndTextDoNot) {
  const NamedTensors list = flatten_outputs(returned("return (None, 3, \"text\", 2.5, True, x)"));
  EXPECT_THAT(paths(list), ElementsAre("1", "3", "4", "5"));
  EXPECT_EQ(list[0].second.item<int64_t>(), 3);
  EXPECT_EQ(list[1].second.item<double>(), 2.5);
}

TEST(FlattenOutputs, WithoutAnyTensorThrows) {
  try {
    flatten_outputs(returned("return \"text\""));
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("the model returned str, which holds no tensor"));
  }
}

Difference difference(const at::Tensor& reference, const at::Tensor& got) {
  return compare_tensors({{"y", reference}}, {{"y", got}}).at(0);
}

TEST(CompareOutputs, NumbersByHand) {
  const Difference d = difference(at::tensor({3.f, 4.f}), at::tensor({3.f, 5.f}));
  EXPECT_DOUBLE_EQ(d.mae, 0.5);
  EXPECT_DOUBLE_EQ(d.max_error, 1);
  EXPECT_DOUBLE_EQ(d.cosine, 29 / (5 * std::sqrt(34.0)));
  EXPECT_DOUBLE_EQ(d.sqnr_db, 10 * std::log10(25.0));
  EXPECT_TRUE(d.finite);
  EXPECT_EQ(d.problem, "");
}

TEST(CompareOutputs, EqualAndZeroOutputs) {
  EXPECT_TRUE(std::isinf(difference(at::tensor({3.f}), at::tensor({3.f})).sqnr_db));
  EXPECT_DOUBLE_EQ(difference(at::zeros({4}), at::zeros({4})).cosine, 1);
  EXPECT_DOUBLE_EQ(difference(at::zeros({4}), at::full({4}, 1.0)).cosine, 0);
  EXPECT_DOUBLE_EQ(difference(at::full({4}, 1.0), at::zeros({4})).cosine, 0);
  EXPECT_DOUBLE_EQ(difference(at::zeros({0}), at::zeros({0})).cosine, 1);
}

TEST(CompareOutputs, OtherTypesAreComparedInDouble) {
  EXPECT_DOUBLE_EQ(difference(at::tensor({1, 2}), at::tensor({1, 4})).max_error, 2);
  EXPECT_DOUBLE_EQ(difference(at::full({2}, 1.0, at::kHalf), at::full({2}, 1.5)).mae, 0.5);
}

TEST(CompareOutputs, NanAndInfAreProblems) {
  const Difference d = difference(at::tensor({1.f, 2.f, 3.f}), at::tensor({1.f, NAN, INFINITY}));
  EXPECT_FALSE(d.finite);
  EXPECT_EQ(d.problem, "1 NaN and 1 Inf among 3 values");
}

TEST(CompareOutputs, ShapesAndMissingPaths) {
  EXPECT_EQ(difference(at::zeros({2, 3}), at::zeros({3, 2})).problem,
            "shape [3, 2], the reference has [2, 3]");
  const auto list =
      compare_tensors({{"a", number(1)}, {"b", number(1)}}, {{"b", number(1)}, {"c", number(1)}});
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].problem, "the model under test does not return it");
  EXPECT_EQ(list[1].problem, "");
  EXPECT_EQ(list[2].path, "c");
  EXPECT_EQ(list[2].problem, "the reference does not return it");
}

}  // namespace
}  // namespace vqt
