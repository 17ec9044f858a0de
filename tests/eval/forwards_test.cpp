// Outputs of split scenes, put together.
#include "forwards.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <ATen/ops/stack.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "tensor_file.h"

namespace vqt {
namespace {

// Values 0, 1, 2, ... in this shape; split along axis into parts of the given sizes.
std::pair<at::Tensor, std::vector<NamedTensors>> split(at::IntArrayRef shape, int64_t axis,
                                                       std::vector<int64_t> counts) {
  int64_t n = 1;
  for (const int64_t s : shape) n *= s;
  const at::Tensor whole = at::arange(n, at::kFloat).reshape(shape);
  std::vector<NamedTensors> parts;
  int64_t first = 0;
  for (const int64_t count : counts) {
    parts.push_back({{"x", whole.narrow(axis, first, count).clone()}});
    first += count;
  }
  return {whole, parts};
}

TEST(JoinForwards, AlongThePreferredAxisWhereItHoldsTheFrames) {
  const auto [whole, parts] = split({1, 5, 2, 3}, 1, {2, 2, 1});
  EXPECT_TRUE(at::equal(join_forwards(parts, {2, 2, 1}, 1)[0].second, whole));
}

TEST(JoinForwards, AlongAnotherAxisWhereThatHoldsTheFrames) {
  const auto [whole, parts] = split({4, 1, 5, 9}, 2, {2, 2, 1});  // a list per iteration, stacked
  EXPECT_TRUE(at::equal(join_forwards(parts, {2, 2, 1}, 1)[0].second, whole));
}

TEST(JoinForwards, StacksWhatHasNoFrames) {
  const at::Tensor a = at::full({7, 6}, 1.f), b = at::full({7, 6}, 2.f);
  const NamedTensors joined = join_forwards({{{"scene", a}}, {{"scene", b}}}, {2, 1}, 1);
  EXPECT_TRUE(at::equal(joined[0].second, at::stack({a, b})));
}

TEST(JoinForwards, LeavesASingleForwardAlone) {
  const at::Tensor a = at::full({3}, 1.f);
  EXPECT_TRUE(at::equal(join_forwards({{{"a", a}}}, {5}, 1)[0].second, a));
}

TEST(JoinForwards, RefusesPartsThatDoNotFit) {
  const at::Tensor a = at::full({2, 3}, 1.f), b = at::full({2, 4}, 1.f);
  EXPECT_THROW(join_forwards({{{"a", a}}, {{"a", b}}}, {5, 5}, 1), std::runtime_error);
  EXPECT_THROW(join_forwards({{{"a", a}}, {{"b", a}}}, {5, 5}, 1), std::runtime_error);
}

TEST(TensorFile, KeepsNamesOrderTypesAndValues) {
  const std::string path = testing::TempDir() + "vqt_tensor_file_test.pt";
  const NamedTensors tensors = {{"b.c", at::arange(6, at::kFloat).reshape({2, 3})},
                                {"a", at::arange(3, at::kLong)},
                                {"half", at::full({2}, 0.1, at::kBFloat16)},
                                {"turned", at::arange(6, at::kFloat).reshape({2, 3}).t()}};
  write_tensors(tensors, path);
  const NamedTensors back = read_tensors(path);
  ASSERT_EQ(back.size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(back[i].first, tensors[i].first);
    EXPECT_EQ(back[i].second.scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE(at::equal(back[i].second, tensors[i].second)) << tensors[i].first;
  }
  std::remove(path.c_str());
}

}  // namespace
}  // namespace vqt
