// Fusions of convolutions on graphs: what is made, and what keeps it from being made.
#include <gmock/gmock.h>

#include "passes/fusion/fusions.h"
#include "tests/passes/fusion/fusion_text.h"

namespace vqt {
namespace {

constexpr const char* kConvConstants = R"(
  %winograd : str = prim::Constant[value="winograd"]()
  %windows : str = prim::Constant[value="windows"]()
  %pair : int[] = prim::Constant[value=[3, 3]]()
  %ones : int[] = prim::Constant[value=[1, 1]]()
  %empty : int[] = prim::Constant[value=annotate(List[int], [])]()
  %size : int[] = prim::ListConstruct(%6, %7)
)";

// "  %y : Tensor = vqt::conv2d_int8(%x, ...)", arguments at their defaults unless named.
std::string conv(const std::string& y, const std::string& x, const Named& given = {}) {
  static const std::vector<std::pair<std::string, std::string>> kDefaults = {
      {"weight", "q"},    {"bias", "b"},      {"form", "winograd"}, {"out_channels", "16"},
      {"kernel", "pair"}, {"stride", "ones"}, {"padding", "ones"},  {"residual", "none"},
      {"low", "none"},    {"relu", "false"},  {"x_size", "empty"},  {"pos_x", "none"},
      {"pos_y", "none"},  {"dtype", "none"}};
  std::string text = "  %" + y + " : Tensor = vqt::conv2d_int8(%" + x;
  for (const auto& [name, value] : kDefaults) text += ", %" + (given.count(name) ? given.at(name) : value);
  return text + ")\n";
}

std::string resized(const std::string& y, const std::string& x, const std::string& aligned = "true") {
  return "  %" + y + " : Tensor = aten::upsample_bilinear2d(%" + x + ", %size, %" + aligned + ", %none)\n";
}

void expect_made(FusionFn fusion, const std::string& before, const std::string& after, int64_t made = 1) {
  expect_fused(fusion, kConvConstants + before, kConvConstants + after, made);
}
void expect_reason(FusionFn fusion, const std::string& body, const std::string& reason) {
  const auto graph = graph_of(kConvConstants + body);
  OutcomeCounts expected;
  if (!reason.empty()) expected[reason] = 1;
  EXPECT_EQ(outcomes_of(fusion, graph), expected) << body;
  EXPECT_EQ(settled(graph), settled(graph_of(kConvConstants + body))) << body;
}

// ---- convolution
TEST(FuseConvolution, TakesReluInInPlaceOrNot) {
  for (const char* relu : {"aten::relu", "aten::relu_"}) {
    expect_made(&fuse_convolution, conv("y", "x") + "  %z : Tensor = " + relu + "(%y)\n  return (%z)",
                conv("y", "x", {{"relu", "true"}}) + "  return (%y)");
  }
}

TEST(FuseConvolution, TakesSumsInAndThenRelu) {
  for (const char* sum : {"aten::add(%y, %r, %1)", "aten::add(%r, %y, %1)", "aten::add_(%y, %r, %1)"}) {
    expect_made(
        &fuse_convolution,
        conv("y", "x") + "  %z : Tensor = " + sum + "\n" + "  %a : Tensor = aten::relu(%z)\n  return (%a)",
        conv("y", "x", {{"residual", "r"}, {"relu", "true"}}) + "  return (%y)", 2);
  }
  expect_made(&fuse_convolution,
              resized("u", "w") + conv("y", "x") + "  %z : Tensor = aten::add_(%y, %r, %1)\n" +
                  "  %a : Tensor = aten::add_(%z, %u, %1)\n  return (%a)",
              conv("y", "x", {{"residual", "r"}, {"low", "w"}}) + "  return (%y)", 2);
}

TEST(FuseConvolution, MovesTheConvolutionBehindAMapThatComesLater) {
  expect_made(&fuse_convolution,
              conv("y", "x") +
                  "  %v : Tensor = aten::sigmoid(%r)\n  %z : Tensor = aten::add(%y, %v, %1)\n  return (%z)",
              "  %v : Tensor = aten::sigmoid(%r)\n" + conv("y", "x", {{"residual", "v"}}) + "  return (%y)");
  // Its size is read before.
  expect_reason(&fuse_convolution,
                conv("y", "x") +
                    "  %s : int = aten::size(%y, %2)\n  %v : Tensor = aten::add(%r, %s, %1)\n"
                    "  %z : Tensor = aten::add(%y, %v, %1)\n  return (%z)",
                kWritten);
  // x is written to before.
  expect_reason(&fuse_convolution,
                conv("y", "x") +
                    "  %v : Tensor = aten::relu_(%x)\n  %z : Tensor = aten::add(%y, %v, %1)\n  return (%z)",
                kWritten);
}

TEST(FuseConvolution, LeavesOtherReadersAndOtherSums) {
  expect_reason(&fuse_convolution, conv("y", "x") + "  %z : Tensor = aten::relu(%y)\n  return (%z, %y)",
                kReadByOthers);
  expect_reason(&fuse_convolution, conv("y", "x") + "  %z : Tensor = aten::add_(%r, %y, %1)\n  return (%z)",
                "the sum is in place");
  expect_reason(&fuse_convolution, conv("y", "x") + "  %z : Tensor = aten::add(%y, %r, %2)\n  return (%z)",
                "a factor (alpha) is part of the sum");
  expect_reason(&fuse_convolution, conv("y", "x") + "  %z : Tensor = aten::add(%y, %y, %1)\n  return (%z)",
                kReadByOthers);
  expect_reason(&fuse_convolution, conv("y", "x") + "  %z : Tensor = aten::sigmoid(%y)\n  return (%z)",
                kNoPattern);
  expect_reason(&fuse_convolution,
                conv("y", "x", {{"residual", "w"}}) + "  %z : Tensor = aten::add(%y, %r, %1)\n  return (%z)",
                "the convolution adds another map already");
  // What comes after ReLU is not taken in.
  expect_reason(&fuse_convolution,
                conv("y", "x", {{"relu", "true"}}) + "  %z : Tensor = aten::add(%y, %r, %1)\n  return (%z)",
                kNoPattern);
  // A resized map that another op reads, or of other corners, is a map.
  expect_made(&fuse_convolution,
              resized("u", "w") + conv("y", "x") + "  %z : Tensor = aten::add(%y, %u, %1)\n  return (%z, %u)",
              resized("u", "w") + conv("y", "x", {{"residual", "u"}}) + "  return (%y, %u)");
  expect_made(
      &fuse_convolution,
      resized("u", "w", "false") + conv("y", "x") + "  %z : Tensor = aten::add(%y, %u, %1)\n  return (%z)",
      resized("u", "w", "false") + conv("y", "x", {{"residual", "u"}}) + "  return (%y)");
}

// ---- resize
TEST(FuseResize, ReadsTheSmallerMap) {
  expect_made(&fuse_resize, resized("u", "r") + conv("y", "u") + "  return (%y)",
              conv("y", "r", {{"x_size", "size"}}) + "  return (%y)");
}

constexpr const char* kPosition = R"(
  %channels : int = aten::size(%u, %1)
  %half_c : int = aten::floordiv(%channels, %2)
  %columns : int = aten::size(%u, %3)
  %ex : Tensor = aten::mul(%cos, %columns)
  %ex1 : Tensor = aten::unsqueeze(%ex, %1)
  %ey1 : Tensor = aten::unsqueeze(%sin, %2)
  %a : Tensor = aten::slice(%u, %1, %none, %half_c, %1)
  %a1 : Tensor = aten::add_(%a, %ex1, %1)
  %e : Tensor = aten::slice(%u, %1, %half_c, %none, %1)
  %e1 : Tensor = aten::add_(%e, %ey1, %1)
)";

TEST(FuseResize, TakesThePositionEmbeddingInBetween) {
  expect_made(&fuse_resize, resized("u", "r") + kPosition + conv("y", "u") + "  return (%y)",
              "  %ex : Tensor = aten::mul(%cos, %7)\n" +
                  conv("y", "r", {{"x_size", "size"}, {"pos_x", "ex"}, {"pos_y", "sin"}}) + "  return (%y)");
}

TEST(FuseResize, LeavesOtherCornersReadersWritesAndForms) {
  expect_reason(&fuse_resize, resized("u", "r", "false") + conv("y", "u") + "  return (%y)", kNoPattern);
  expect_reason(&fuse_resize, resized("u", "r") + conv("y", "u") + "  return (%y, %u)", kReadByOthers);
  expect_reason(&fuse_resize, resized("u", "r") + conv("y", "u", {{"form", "windows"}}) + "  return (%y)",
                "its convolution is not 3 x 3 with stride 1");
  expect_reason(
      &fuse_resize,
      resized("u", "r") + "  %v : Tensor = aten::relu_(%r)\n" + conv("y", "u") + "  return (%y, %v)",
      kWritten);
  expect_reason(&fuse_resize,
                resized("u", "r") + "  %v : Tensor = aten::relu_(%u)\n" + conv("y", "u") + "  return (%y)",
                kReadByOthers);
  // Half of the position embedding.
  const std::string one = std::string(kPosition).substr(0, std::string(kPosition).find("  %e : "));
  expect_reason(&fuse_resize, resized("u", "r") + one + conv("y", "u") + "  return (%y)", kReadByOthers);
  expect_reason(&fuse_resize, resized("u", "r") + conv("y", "u") + kPosition + "  return (%y)",
                kReadByOthers);
}

}  // namespace
}  // namespace vqt
