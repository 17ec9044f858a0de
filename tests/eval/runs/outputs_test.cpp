// Outputs of split scenes, seen as one, and the file that holds them.
#include "eval/runs/join_outputs.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/full.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "tests/temporary_folder.h"

namespace vqt {
namespace {
using testing::ElementsAre;
using testing::HasSubstr;
using Shape = std::vector<int64_t>;

// One output named x in forward passes over those numbers of images.
std::vector<ForwardOutputs> passes(const std::vector<Shape>& shapes, const std::vector<int64_t>& counts) {
  std::vector<ForwardOutputs> result;
  int64_t first = 0;
  for (size_t i = 0; i < shapes.size(); ++i) {
    result.push_back({first, counts[i], {{"x", "Float", shapes[i]}}});
    first += counts[i];
  }
  return result;
}

TEST(JoinForwards, AlongThePreferredAxisWhereItHoldsTheFrames) {
  const auto joined = join_outputs(passes({{1, 2, 2, 3}, {1, 2, 2, 3}, {1, 1, 2, 3}}, {2, 2, 1}), 1);
  ASSERT_EQ(joined.size(), 1u);
  EXPECT_EQ(joined[0].path, "x");
  EXPECT_EQ(joined[0].frame_axis, 1);
  EXPECT_THAT(joined[0].shape, ElementsAre(1, 5, 2, 3));
}

TEST(JoinForwards, AlongAnotherAxisWhereThatHoldsTheFrames) {
  const auto joined = join_outputs(passes({{4, 1, 2, 9}, {4, 1, 2, 9}, {4, 1, 1, 9}}, {2, 2, 1}), 1);
  EXPECT_EQ(joined[0].frame_axis, 2);
  EXPECT_THAT(joined[0].shape, ElementsAre(4, 1, 5, 9));
}

TEST(JoinForwards, StacksWhatHasNoFrames) {
  const auto joined = join_outputs(passes({{7, 6}, {7, 6}}, {2, 1}), 1);
  EXPECT_EQ(joined[0].frame_axis, -1);
  EXPECT_THAT(joined[0].shape, ElementsAre(2, 7, 6));
}

TEST(JoinForwards, LeavesASingleForwardAlone) {
  EXPECT_THAT(join_outputs(passes({{3}}, {5}), 1)[0].shape, ElementsAre(3));
  EXPECT_THAT(join_outputs(passes({{}}, {5}), 1)[0].shape, ElementsAre());
}

TEST(JoinForwards, RefusesForwardsThatDoNotFit) {
  EXPECT_THROW(join_outputs(passes({{2, 3}, {2, 4}}, {5, 5}), 1), std::runtime_error);
  auto named = passes({{2, 3}, {2, 3}}, {5, 5});
  named[1].tensors[0].path = "y";
  EXPECT_THROW(join_outputs(named, 1), std::runtime_error);
}

class OutputsFileTest : public testing::Test {
 protected:
  void SetUp() override {
    OutputsWriter writer(path());
    writer.append(outputs_, 0, 2);
    writer.append({{"a", at::arange(3, at::kLong)}}, 2, 1);
    writer.finish();
  }
  std::string path() const { return folder_ / "forwards"; }
  std::string bytes() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string error_of(const std::string& path) {
    try {
      const OutputsFile file(path);
      file.read(*file.passes()[0].find("b.c"));
    } catch (const std::exception& e) {
      return e.what();
    }
    return "no error";
  }
  TemporaryFolder folder_;
  const NamedTensors outputs_ = {{"b.c", at::arange(6, at::kFloat).reshape({2, 3})},
                                 {"half", at::full({2}, 0.1, at::kBFloat16)},
                                 {"turned", at::arange(6, at::kFloat).reshape({2, 3}).t()},
                                 {"none", at::empty({0, 4}, at::kDouble)},
                                 {"number", at::full({}, true, at::kBool)}};
};

TEST_F(OutputsFileTest, KeepsNamesOrderTypesAndValues) {
  const OutputsFile file(path());
  ASSERT_EQ(file.passes().size(), 2u);
  EXPECT_EQ(file.passes()[1].first, 2);
  EXPECT_TRUE(file.about().is_null());
  const auto& tensors = file.passes()[0].tensors;
  ASSERT_EQ(tensors.size(), outputs_.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ(tensors[i].path, outputs_[i].first);
    const at::Tensor back = file.read(tensors[i]);
    EXPECT_EQ(back.scalar_type(), outputs_[i].second.scalar_type());
    EXPECT_TRUE(at::equal(back, outputs_[i].second)) << tensors[i].path;
  }
  EXPECT_TRUE(at::equal(file.read(*file.passes()[1].find("a")), at::arange(3, at::kLong)));
}

TEST_F(OutputsFileTest, ASavedCopySaysWhatItIs) {
  const std::string copy = folder_ / "copy";
  save_outputs(OutputsFile(path()), {{"model", "m.pt"}}, copy);
  const OutputsFile file(copy);
  EXPECT_EQ(file.about()["model"], "m.pt");
  EXPECT_TRUE(at::equal(file.read(*file.passes()[0].find("b.c")), outputs_[0].second));
}

TEST_F(OutputsFileTest, DamageIsAnErrorThatNamesTheFile) {
  const std::string whole = bytes(), other = folder_ / "other";
  const auto with = [&](const std::string& text) {
    std::ofstream(other, std::ios::binary) << text;
    return error_of(other);
  };
  EXPECT_EQ(with(whole), "no error");
  EXPECT_THAT(with(""), testing::AllOf(HasSubstr(other), HasSubstr("--save-reference")));
  EXPECT_THAT(with("PK" + std::string(100, 'x')),
              testing::AllOf(HasSubstr("not a usable safetensors file"), HasSubstr("--save-reference")));
  EXPECT_EQ(with(std::string("\x02\0\0\0\0\0\0\0{}", 10)),
            other + ": not a file of outputs that vqt-eval --save-reference wrote");
  EXPECT_THAT(with("vqtfwd01" + std::string(100, 'x')), HasSubstr("written by an older version of vqt-eval"));
  for (size_t n = 8; n < whole.size(); n += 13) EXPECT_THAT(with(whole.substr(0, n)), HasSubstr(other));
  std::string changed = whole;
  changed[changed.size() - 8 * 3 - 1 - 2 * 2 - 6 * 4 - 6 * 4] ^= 1;  // the first byte of the first tensor
  EXPECT_EQ(with(changed), other + ": damaged: 0/b.c has another checksum");
  changed = whole;
  changed.replace(changed.find("[2,3]"), 5, "[2,4]");
  EXPECT_THAT(with(changed), HasSubstr("0/b.c: F32 [2,4] takes 32 bytes, its data_offsets are [0,24]"));
  changed = whole;
  changed.replace(changed.find("first\\\":2"), 9, "first\\\":3");
  EXPECT_THAT(with(changed), HasSubstr("do not follow"));
  changed = whole;
  changed.replace(changed.find("\\\"half\\\""), 8, "\\\"hall\\\"");
  EXPECT_THAT(with(changed), HasSubstr("damaged, its metadata cannot be used: there is no tensor 0/hall"));
  EXPECT_THAT(error_of(folder_ / "none"), HasSubstr("No such file"));
}

}  // namespace
}  // namespace vqt
