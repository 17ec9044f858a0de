// Each fusion on graphs: what it makes, and what keeps it from being made.
#include "passes/fusion/fusions.h"

#include <gmock/gmock.h>

#include "tests/passes/fusion/fusion_text.h"
#include "vqt/config.h"

namespace vqt {
namespace {

TEST(Fusions, AreTheOnesTheConfigNames) {
  std::vector<std::string> names;
  for (const Fusion& fusion : all_fusions()) names.emplace_back(fusion.name);
  EXPECT_EQ(chosen_fusions(QuantizationConfig()), names);
}

// ---- activation
TEST(FuseActivation, TakesGeluAndReluIn) {
  for (const auto& [op, post_op] : std::vector<std::pair<std::string, std::string>>{
           {"aten::gelu(%y, %no)", "gelu"}, {"aten::relu(%y)", "relu"}, {"aten::relu_(%y)", "relu"}}) {
    expect_fused(&fuse_gelu_relu, linear("y", "x") + "  %z : Tensor = " + op + "\n  return (%z)",
                 linear("y", "x", {{"post_op", post_op}}) + "  return (%y)");
  }
}

TEST(FuseActivation, LeavesWhatComputesSomethingElse) {
  const std::string gelu = "  %z : Tensor = aten::gelu(%y, %no)\n";
  expect_untouched(&fuse_gelu_relu,
                   linear("y", "x") + "  %z : Tensor = aten::gelu(%y, %tanh)\n  return (%z)");
  expect_untouched(&fuse_gelu_relu, linear("y", "x") + "  %z : Tensor = aten::sigmoid(%y)\n  return (%z)");
  // Another reader, an output, another block.
  expect_untouched(&fuse_gelu_relu,
                   linear("y", "x") + gelu + "  %v : Tensor = aten::add(%y, %z, %1)\n  return (%v)");
  expect_untouched(&fuse_gelu_relu, linear("y", "x") + gelu + "  return (%y, %z)");
  expect_untouched(&fuse_gelu_relu, linear("y", "x") + R"(
  %z : Tensor = prim::If(%c)
    block0():
      %v : Tensor = aten::gelu(%y, %no)
      -> (%v)
    block1():
      -> (%x)
  return (%z))");
  // Done already, or in another order.
  expect_untouched(&fuse_gelu_relu, linear("y", "x", {{"post_op", "relu"}}) + gelu + "  return (%z)");
  expect_untouched(&fuse_gelu_relu, linear("y", "x", {{"gamma", "g"}}) + gelu + "  return (%z)");
  expect_untouched(&fuse_gelu_relu, linear("y", "x", {{"residual", "r"}}) + gelu + "  return (%z)");
}

TEST(FuseActivation, LeavesLinearsThatDoNotComputeOnIntegers) {
  const std::string rest = "  %z : Tensor = aten::gelu(%y, %no)\n  return (%z)";
  expect_untouched(&fuse_gelu_relu, linear("y", "x", {{"activation", "no"}}) + rest);
  expect_untouched(&fuse_gelu_relu, linear("y", "x", {{"weight", "canonical"}}) + rest);
  expect_untouched(&fuse_gelu_relu, linear("y", "x", {{"weight", "w"}}) + rest);
}

// ---- residual
TEST(FuseResidual, TakesFactorsAndSumInEitherOrder) {
  const std::string after = linear("y", "x", {{"gamma", "g"}, {"residual", "r"}}) + "  return (%y)";
  for (const char* mul : {"aten::mul(%y, %g)", "aten::mul(%g, %y)", "aten::mul_(%y, %g)"}) {
    for (const char* add : {"aten::add(%r, %z, %1)", "aten::add(%z, %r, %1)"}) {
      expect_fused(
          &fuse_residual,
          linear("y", "x") + "  %z : Tensor = " + mul + "\n  %v : Tensor = " + add + "\n  return (%v)",
          after);
    }
  }
}

TEST(FuseResidual, TakesOneOfTheTwo) {
  expect_fused(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::mul(%y, %g)\n  return (%z)",
               linear("y", "x", {{"gamma", "g"}}) + "  return (%y)");
  expect_fused(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add(%r, %y, %1)\n  return (%z)",
               linear("y", "x", {{"residual", "r"}}) + "  return (%y)");
}

TEST(FuseResidual, MovesTheLinearBehindAResidualThatComesLater) {
  const std::string late = "  %t : Tensor = aten::tanh(%r)\n";
  expect_fused(&fuse_residual,
               linear("y", "x") + late + "  %z : Tensor = aten::add(%t, %y, %1)\n  return (%z)",
               late + linear("y", "x", {{"residual", "t"}}) + "  return (%y)");
  // x is written to in between.
  expect_untouched(&fuse_residual, "  %u : Tensor = aten::exp(%x)\n" + linear("y", "u") + late +
                                       "  %e : Tensor = aten::relu_(%u)\n"
                                       "  %z : Tensor = aten::add(%t, %y, %1)\n  return (%z, %e)");
}

TEST(FuseResidual, AddsTwoLinearsInOneOfThem) {
  expect_fused(&fuse_residual,
               linear("y", "x") + linear("z", "r") + "  %v : Tensor = aten::add(%y, %z, %1)\n  return (%v)",
               linear("z", "r") + linear("y", "x", {{"residual", "z"}}) + "  return (%y)");
}

TEST(FuseResidual, LeavesWhatIsNoFactorPerChannel) {
  for (const char* factor : {"short", "half", "matrix", "r"}) {  // size, dtype, dimensions, not known
    expect_untouched(&fuse_residual,
                     linear("y", "x") + "  %z : Tensor = aten::mul(%y, %" + factor + ")\n  return (%z)");
  }
  expect_untouched(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::mul(%y, %y)\n  return (%z)");
  // Rows 16 to 32 only: g is too long for them.
  expect_untouched(&fuse_residual, linear("y", "x", {{"row_begin", "16"}, {"row_end", "32"}}) +
                                       "  %z : Tensor = aten::mul(%y, %g)\n  return (%z)");
}

TEST(FuseResidual, LeavesSumsOfAnotherKind) {
  expect_untouched(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add(%r, %y, %2)\n  return (%z)");
  expect_untouched(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add(%y, %1, %1)\n  return (%z)");
  expect_untouched(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add(%y, %y, %1)\n  return (%z)");
  expect_untouched(&fuse_residual,
                   linear("y", "x") + "  %z : Tensor = aten::add(%y, %short, %1)\n  return (%z)");
  expect_untouched(&fuse_residual,
                   linear("y", "x") + "  %z : Tensor = aten::add_(%r, %y, %1)\n  return (%z)");
  // Another reader, an output, another block.
  const std::string add = "  %z : Tensor = aten::add(%r, %y, %1)\n";
  expect_untouched(&fuse_residual,
                   linear("y", "x") + add + "  %v : Tensor = aten::tanh(%y)\n  return (%v, %z)");
  expect_untouched(&fuse_residual, linear("y", "x") + add + "  return (%y, %z)");
  expect_untouched(&fuse_residual, linear("y", "x") + R"(
  %z : Tensor = prim::If(%c)
    block0():
      %v : Tensor = aten::add(%r, %y, %1)
      -> (%v)
    block1():
      -> (%x)
  return (%z))");
}

TEST(FuseResidual, LeavesAResidualThatIsWrittenTo) {
  expect_untouched(&fuse_residual, "  %t : Tensor = aten::exp(%r)\n" + linear("y", "x") +
                                       "  %e : Tensor = aten::relu_(%t)\n"
                                       "  %z : Tensor = aten::add(%t, %y, %1)\n  return (%z)");
}

TEST(FuseResidual, TakesWhatIsWrittenToBeforeOrAfter) {
  const std::string fused = linear("y", "x", {{"residual", "t"}});
  for (const auto& [before, after] : std::vector<std::pair<std::string, std::string>>{
           {"  %e : Tensor = aten::relu_(%t)\n", ""}, {"", "  %e : Tensor = aten::relu_(%t)\n"}}) {
    const std::string head = "  %t : Tensor = aten::exp(%r)\n" + before;
    expect_fused(
        &fuse_residual,
        head + linear("y", "x") + "  %z : Tensor = aten::add(%t, %y, %1)\n" + after + "  return (%z, %e)",
        head + fused + after + "  return (%y, %e)");
  }
}

TEST(FuseResidual, KnowsWhoWritesToWhatItMade) {
  // The second linear's residual is the first one's result, which is written to in between.
  expect_fused(
      &fuse_residual,
      linear("y", "x") + "  %z : Tensor = aten::add(%r, %y, %1)\n" + linear("v", "x") +
          "  %e : Tensor = aten::relu_(%z)\n  %u : Tensor = aten::add(%z, %v, %1)\n  return (%u, %e)",
      linear("y", "x", {{"residual", "r"}}) + linear("v", "x") +
          "  %e : Tensor = aten::relu_(%y)\n  %u : Tensor = aten::add(%y, %v, %1)\n  return (%u, %e)");
}

// ---- shared_input
TEST(FuseSharedInput, QuantizesOnce) {
  expect_fused(&fuse_shared_input,
               "  %t : Tensor = aten::tanh(%x)\n" + linear("y", "t") + linear("z", "t", {{"bias", "g"}}) +
                   "  return (%y, %z)",
               "  %t : Tensor = aten::tanh(%x)\n" + quantizer("a", "quantize_activation(%t") +
                   "  %d : int = prim::dtype(%t)\n" + linear("y", "a", {{"dtype", "d"}}) +
                   linear("z", "a", {{"dtype", "d"}, {"bias", "g"}}) + "  return (%y, %z)");
}

TEST(FuseSharedInput, KeepsTheStaticRange) {
  const Named range = {{"activation", "static"},
                       {"activation_symmetric", "true"},
                       {"x_scale", "half_scale"},
                       {"x_zero_point", "7"}};
  expect_fused(
      &fuse_shared_input, linear("y", "x", range) + linear("z", "x", range) + "  return (%y, %z, %x)",
      quantizer("a", "quantize_activation(%x", range) + "  %d : int = prim::dtype(%x)\n" +
          linear("y", "a", {{"dtype", "d"}}) + linear("z", "a", {{"dtype", "d"}}) + "  return (%y, %z, %x)");
}

TEST(FuseSharedInput, LeavesOneReaderOtherRangesAndOtherBlocks) {
  expect_untouched(&fuse_shared_input, linear("y", "x") + linear("z", "r") + "  return (%y, %z)");
  expect_untouched(
      &fuse_shared_input,
      linear("y", "x") + linear("z", "x", {{"activation_symmetric", "true"}}) + "  return (%y, %z)");
  expect_untouched(&fuse_shared_input,
                   linear("y", "x") + linear("z", "x", {{"activation", "no"}}) + "  return (%y, %z)");
  expect_untouched(&fuse_shared_input,
                   linear("y", "x") + "  %v : Tensor = prim::If(%c)\n    block0():\n    " + linear("z", "x") +
                       "      -> (%z)\n    block1():\n      -> (%y)\n  return (%v)");
}

TEST(FuseSharedInput, LeavesWhatIsWrittenToInBetween) {
  expect_untouched(&fuse_shared_input, "  %t : Tensor = aten::exp(%x)\n" + linear("y", "t") +
                                           "  %e : Tensor = aten::relu_(%t)\n" + linear("z", "t") +
                                           "  return (%y, %z)");
  // Through a view.
  expect_untouched(&fuse_shared_input, "  %t : Tensor = aten::exp(%x)\n" + linear("y", "t") +
                                           "  %s : Tensor = aten::select(%t, %0, %1)\n"
                                           "  %e : Tensor = aten::relu_(%s)\n" +
                                           linear("z", "t") + "  return (%y, %z)");
}

TEST(FuseSharedInput, TakesWhatIsWrittenToAfterwards) {
  const std::string head = "  %t : Tensor = aten::exp(%x)\n",
                    rest = "  %e : Tensor = aten::relu_(%t)\n  return (%y, %z, %e)";
  expect_fused(&fuse_shared_input, head + linear("y", "t") + linear("z", "t") + rest,
               head + quantizer("a", "quantize_activation(%t") + "  %d : int = prim::dtype(%t)\n" +
                   linear("y", "a", {{"dtype", "d"}}) + linear("z", "a", {{"dtype", "d"}}) + rest);
}

// ---- layer_norm
const char* const kNorm =
    "  %shape : int[] = prim::ListConstruct(%16)\n"
    "  %n : Tensor = aten::layer_norm(%x, %shape, %w, %none, %eps, %true)\n";

TEST(FuseLayerNorm, QuantizesWhatOneLinearReads) {
  expect_fused(&fuse_layer_norm, kNorm + linear("y", "n") + "  return (%y)",
               quantizer("a", "layer_norm_quantize(%x, %w, %none, %eps") + "  %d : int = prim::dtype(%x)\n" +
                   linear("y", "a", {{"dtype", "d"}}) + "  return (%y)");
}

TEST(FuseLayerNorm, QuantizesOnceWhatSharedInputQuantized) {
  const Named range = {{"activation", "static"}, {"x_scale", "half_scale"}, {"x_zero_point", "7"}};
  const auto graph = [&](const std::string& head) {
    return head + linear("y", "a", {{"dtype", "d"}}) + linear("z", "a", {{"dtype", "d"}}) +
           "  return (%y, %z)";
  };
  expect_fused(
      &fuse_layer_norm,
      graph(kNorm + quantizer("a", "quantize_activation(%n", range) + "  %d : int = prim::dtype(%n)\n"),
      graph(quantizer("a", "layer_norm_quantize(%x, %w, %none, %eps", range) +
            "  %d : int = prim::dtype(%x)\n"));
}

TEST(FuseLayerNorm, AsksItsInputForShapes) {
  const std::string uses = "  %s : int[] = aten::size(%n)\n  %k : int = aten::size(%n, %back)\n";
  const std::string asked = "  %s : int[] = aten::size(%x)\n  %k : int = aten::size(%x, %back)\n";
  expect_fused(&fuse_layer_norm, kNorm + uses + linear("y", "n") + "  return (%y, %s, %k)",
               quantizer("a", "layer_norm_quantize(%x, %w, %none, %eps") + "  %d : int = prim::dtype(%x)\n" +
                   asked + linear("y", "a", {{"dtype", "d"}}) + "  return (%y, %s, %k)");
}

TEST(FuseLayerNorm, LeavesNormsThatSomethingElseReads) {
  expect_untouched(&fuse_layer_norm, kNorm + linear("y", "n") + linear("z", "n") + "  return (%y, %z)");
  expect_untouched(&fuse_layer_norm, kNorm + linear("y", "n") + "  return (%y, %n)");
  expect_untouched(&fuse_layer_norm,
                   kNorm + linear("y", "n") + "  %t : Tensor = aten::tanh(%n)\n  return (%y, %t)");
  expect_untouched(&fuse_layer_norm, kNorm + linear("y", "x", {{"residual", "n"}}) + "  return (%y)");
  expect_untouched(&fuse_layer_norm, kNorm + linear("y", "n", {{"activation", "no"}}) + "  return (%y)");
  expect_untouched(&fuse_layer_norm,
                   std::string(kNorm) + "  %v : Tensor = prim::If(%c)\n    block0():\n    " +
                       linear("z", "n") + "      -> (%z)\n    block1():\n      -> (%x)\n  return (%v)");
}

TEST(FuseLayerNorm, LeavesNormsOverOtherDimensions) {
  for (const char* sizes : {"%2, %16", "%16, %2", "%32"}) {
    expect_untouched(&fuse_layer_norm,
                     "  %shape : int[] = prim::ListConstruct(" + std::string(sizes) +
                         ")\n  %n : Tensor = aten::layer_norm(%x, %shape, %w, %none, %eps, %true)\n" +
                         linear("y", "n") + "  return (%y)");
  }
}

TEST(FuseLayerNorm, AsksNoInputWhoseShapeMayChange) {
  expect_untouched(&fuse_layer_norm,
                   "  %t : Tensor = aten::exp(%x)\n"
                   "  %shape : int[] = prim::ListConstruct(%16)\n"
                   "  %n : Tensor = aten::layer_norm(%t, %shape, %w, %none, %eps, %true)\n"
                   "  %u : Tensor = aten::unsqueeze_(%t, %0)\n"
                   "  %s : int[] = aten::size(%n)\n" +
                       linear("y", "n") + "  return (%y, %s)");
}

TEST(FuseLayerNorm, AsksNoInputThatABranchMayChange) {
  expect_untouched(&fuse_layer_norm,
                   "  %t : Tensor = aten::exp(%x)\n"
                   "  %shape : int[] = prim::ListConstruct(%16)\n"
                   "  %n : Tensor = aten::layer_norm(%t, %shape, %w, %none, %eps, %true)\n" +
                       linear("y", "n") +
                       "  %s : int[] = prim::If(%c)\n    block0():\n"
                       "      %u : Tensor = aten::unsqueeze_(%t, %0)\n      %s0 : int[] = aten::size(%n)\n"
                       "      -> (%s0)\n    block1():\n      %s1 : int[] = aten::size(%r)\n      -> (%s1)\n"
                       "  return (%y, %s)");
}

// ---- static_output
const Named kStatic = {{"activation", "static"}, {"x_scale", "half_scale"}, {"x_zero_point", "7"}};

Named with(Named a, const Named& b) {
  a.insert(b.begin(), b.end());
  return a;
}

TEST(FuseStaticOutput, StoresWhatTheNextLinearReads) {
  expect_fused(&fuse_static_output,
               linear("y", "x", {{"post_op", "gelu"}}) + linear("z", "y", with(kStatic, {{"weight", "q2"}})) +
                   "  return (%z)",
               "  %d : int = prim::dtype(%x)\n" +
                   linear("y", "x", {{"post_op", "gelu"}, {"y_scale", "half_scale"}, {"y_zero_point", "7"}}) +
                   linear("z", "y", {{"weight", "q2"}, {"dtype", "d"}}) + "  return (%z)");
}

TEST(FuseStaticOutput, PassesTheDtypeOnFromAQuantizedInput) {
  const std::string head = quantizer("a", "quantize_activation(%x") + "  %d : int = prim::dtype(%x)\n";
  expect_fused(&fuse_static_output,
               head + linear("y", "a", {{"dtype", "d"}}) +
                   linear("z", "y", with(kStatic, {{"weight", "q2"}})) + "  return (%z)",
               head + linear("y", "a", {{"y_scale", "half_scale"}, {"y_zero_point", "7"}}) +
                   linear("z", "y", {{"weight", "q2"}, {"dtype", "d"}}) + "  return (%z)");
}

TEST(FuseStaticOutput, StoresWhatSeveralLinearsRead) {
  const Named symmetric = {
      {"activation", "static"}, {"activation_symmetric", "true"}, {"x_scale", "half_scale"}};
  const std::string readers = linear("z", "a", {{"weight", "q2"}, {"dtype", "e"}}) +
                              linear("v", "a", {{"weight", "q2"}, {"dtype", "e"}}) + "  return (%z, %v)";
  expect_fused(&fuse_static_output,
               linear("y", "x") + quantizer("a", "quantize_activation(%y", symmetric) +
                   "  %e : int = prim::dtype(%y)\n" + readers,
               "  %e : int = prim::dtype(%x)\n" +
                   linear("a", "x", {{"y_scale", "half_scale"}, {"y_symmetric", "true"}}) + readers);
}

TEST(FuseStaticOutput, LeavesWhatItMayNotStore) {
  const std::string second = linear("z", "y", with(kStatic, {{"weight", "q2"}}));
  expect_untouched(&fuse_static_output,
                   linear("y", "x") + linear("z", "y", {{"weight", "q2"}}) + "  return (%z)");
  expect_untouched(&fuse_static_output, linear("y", "x", {{"residual", "r"}}) + second + "  return (%z)");
  expect_untouched(&fuse_static_output, linear("y", "x", {{"activation", "no"}}) + second + "  return (%z)");
  expect_untouched(&fuse_static_output, linear("y", "x") + second + "  return (%y, %z)");
  expect_untouched(&fuse_static_output,
                   linear("y", "x") + second + "  %s : int[] = aten::size(%y)\n  return (%z, %s)");
  expect_untouched(&fuse_static_output,
                   linear("y", "x") + linear("z", "r", with(kStatic, {{"residual", "y"}})) + "  return (%z)");
}

// ---- rotary
const char* const kTables =
    "  %ca : Tensor = aten::select(%rope, %0, %0)\n  %sa : Tensor = aten::select(%rope, %0, %1)\n";

std::string rotated_four(const std::string& x) {
  return "  %parts : Tensor[] = aten::chunk(%" + x +
         ", %4, %back)\n"
         "  %y1 : Tensor, %y2 : Tensor, %x1 : Tensor, %x2 : Tensor = prim::ListUnpack(%parts)\n"
         "  %ny2 : Tensor = aten::neg(%y2)\n  %nx2 : Tensor = aten::neg(%x2)\n"
         "  %list : Tensor[] = prim::ListConstruct(%ny2, %y1, %nx2, %x1)\n"
         "  %rotated : Tensor = aten::cat(%list, %back)\n";
}

std::string weighted(const std::string& x, const std::string& cos, const std::string& sin) {
  return "  %a : Tensor = aten::mul(%" + x + ", %" + cos + ")\n  %t : Tensor = aten::mul(%rotated, %" + sin +
         ")\n  %sum : Tensor = aten::add(%a, %t, %1)\n";
}

std::string cast(const std::string& x) {
  return "  %type : int = prim::dtype(%" + x +
         ")\n  %y : Tensor = aten::to(%sum, %type, %false, %false, %none)\n";
}

std::string rotary(const std::string& x, const std::string& cos, const std::string& sin,
                   const std::string& axes, const std::string& norm = "%false, %none, %none, %eps",
                   const std::string& promote_and_halves = "%false, %false") {
  return "  %y : Tensor = vqt::rotary(%" + x + ", %" + cos + ", %" + sin + ", %" + axes + ", " + norm + ", " +
         promote_and_halves + ")\n";
}
// Without a cast the sum is in the type to which torch promotes x and the tables.
std::string promoted_rotary(const std::string& halves) {
  return rotary("x", "cos", "sin", "1", "%false, %none, %none, %eps", "%true, " + halves) + "  return (%y)";
}

TEST(FuseRotary, TakesTwoAxesWithACast) {
  expect_fused(&fuse_rotary,
               rotated_four("x") + kTables + weighted("x", "ca", "sa") + cast("x") + "  return (%y)",
               kTables + rotary("x", "ca", "sa", "2") + "  return (%y)");
}

TEST(FuseRotary, TakesTheNormBeforeIt) {
  expect_fused(&fuse_rotary,
               kNorm + rotated_four("n") + kTables + weighted("n", "ca", "sa") + cast("n") +
                   "  %s : int[] = aten::size(%n)\n  return (%y, %s)",
               kTables + rotary("x", "ca", "sa", "2", "%true, %w, %none, %eps") +
                   "  %s : int[] = aten::size(%x)\n  return (%y, %s)");
  // Read by something else too: the norm stays.
  expect_fused(
      &fuse_rotary,
      kNorm + rotated_four("n") + kTables + weighted("n", "ca", "sa") + cast("n") + "  return (%y, %n)",
      kNorm + std::string(kTables) + rotary("n", "ca", "sa", "2") + "  return (%y, %n)");
}

TEST(FuseRotary, WithoutACastTheSumIsInThePromotedType) {
  const std::string halves =
      "  %parts : Tensor[] = aten::chunk(%x, %2, %back)\n"
      "  %x1 : Tensor, %x2 : Tensor = prim::ListUnpack(%parts)\n  %nx2 : Tensor = aten::neg(%x2)\n"
      "  %list : Tensor[] = prim::ListConstruct(%nx2, %x1)\n  %rotated : Tensor = aten::cat(%list, %back)\n";
  const std::string after = promoted_rotary("%false");
  expect_fused(&fuse_rotary, halves + weighted("x", "cos", "sin") + "  return (%sum)", after);
  const std::string swapped =
      "  %a : Tensor = aten::mul(%cos, %x)\n  %t : Tensor = aten::mul(%sin, %rotated)\n"
      "  %sum : Tensor = aten::add(%t, %a, %1)\n  return (%sum)";
  expect_fused(&fuse_rotary, halves + swapped, after);
}

// rotate_half as scripting writes it, and as tracing does.
std::string sliced(const std::string& dim, const std::string& half, const std::string& begin,
                   const std::string& end) {
  return half + "  %x1 : Tensor = aten::slice(%x, %" + dim + ", %" + begin + ", %h, %1)\n" +
         "  %x2 : Tensor = aten::slice(%x, %" + dim + ", %h, %" + end +
         ", %1)\n  %nx2 : Tensor = aten::neg(%x2)\n"
         "  %list : Tensor[] = prim::ListConstruct(%nx2, %x1)\n  %rotated : Tensor = aten::cat(%list, "
         "%back)\n";
}

TEST(FuseRotary, TakesHalvesCutBySlices) {
  const std::string after = promoted_rotary("%true");
  const std::string scripted =
      "  %s : int[] = aten::size(%x)\n  %l : int = aten::__getitem__(%s, %back)\n  %h : int = "
      "aten::floordiv(%l, %2)\n";
  expect_fused(&fuse_rotary,
               sliced("back", scripted, "none", "none") + weighted("x", "cos", "sin") + "  return (%sum)",
               after);
  const std::string traced =
      "  %max : int = prim::Constant[value=9223372036854775807]()\n  %two : Tensor = "
      "prim::NumToTensor(%2)\n"
      "  %l : int = aten::size(%x, %3)\n  %ln : Tensor = prim::NumToTensor(%l)\n"
      "  %hn : Tensor = aten::floor_divide(%ln, %two)\n  %h : int = aten::Int(%hn)\n";
  expect_fused(&fuse_rotary,
               sliced("3", traced, "0", "max") + weighted("x", "cos", "sin") + "  return (%sum)", after);
}

TEST(FuseRotary, LeavesSlicesThatAreNotHalves) {
  const std::string rest = weighted("x", "cos", "sin") + "  return (%sum)";
  const std::string third =
      "  %s : int[] = aten::size(%x)\n  %l : int = aten::__getitem__(%s, %back)\n  %h : int = "
      "aten::floordiv(%l, %3)\n";
  expect_untouched(&fuse_rotary, sliced("back", third, "none", "none") + rest);
  const std::string other =
      "  %s : int[] = aten::size(%r)\n  %l : int = aten::__getitem__(%s, %back)\n  %h : int = "
      "aten::floordiv(%l, %2)\n";
  expect_untouched(&fuse_rotary, sliced("back", other, "none", "none") + rest);
  expect_untouched(&fuse_rotary,
                   sliced("back", "  %h : int = prim::Constant[value=8]()\n", "none", "none") + rest);
}

TEST(FuseRotary, LeavesHalvesOfTwoTensors) {
  const auto half = [](const std::string& n, const std::string& x) {
    return "  %s" + n + " : int[] = aten::size(%" + x + ")\n  %l" + n + " : int = aten::__getitem__(%s" + n +
           ", %back)\n  %h" + n + " : int = aten::floordiv(%l" + n + ", %2)\n";
  };
  expect_untouched(&fuse_rotary, half("1", "x") + half("2", "r") +
                                     "  %x1 : Tensor = aten::slice(%x, %back, %none, %h1, %1)\n"
                                     "  %x2 : Tensor = aten::slice(%r, %back, %h2, %none, %1)\n"
                                     "  %nx2 : Tensor = aten::neg(%x2)\n"
                                     "  %list : Tensor[] = prim::ListConstruct(%nx2, %x1)\n"
                                     "  %rotated : Tensor = aten::cat(%list, %back)\n" +
                                     weighted("x", "cos", "sin") + "  return (%sum)");
}

TEST(FuseRotary, LeavesOtherTurns) {
  const std::string rest = weighted("x", "cos", "sin") + "  return (%sum)";
  const auto replaced = [](std::string text, const std::string& a, const std::string& b) {
    return text.replace(text.find(a), a.size(), b);
  };
  const std::string rotated = rotated_four("x");
  // Order, signs, another tensor, another dimension.
  expect_untouched(&fuse_rotary,
                   replaced(rotated, "(%ny2, %y1, %nx2, %x1)", "(%nx2, %x1, %ny2, %y1)") + rest);
  expect_untouched(&fuse_rotary, replaced(rotated, "(%ny2, %y1, %nx2, %x1)", "(%y2, %y1, %nx2, %x1)") + rest);
  expect_untouched(&fuse_rotary, replaced(rotated, "chunk(%x", "chunk(%r") + rest);
  expect_untouched(&fuse_rotary, replaced(rotated, "cat(%list, %back", "cat(%list, %2") + rest);
  expect_untouched(&fuse_rotary, replaced(rotated, "%4, %back", "%4, %2") + rest);
  expect_untouched(&fuse_rotary, rotated + replaced(rest, "add(%a, %t, %1", "add(%a, %t, %2"));
  expect_untouched(&fuse_rotary, rotated + replaced(rest, "mul(%x, %cos", "mul(%r, %cos"));
}

TEST(FuseRotary, LeavesWhatSomethingElseReadsOrWrites) {
  const std::string body = rotated_four("x") + weighted("x", "cos", "sin");
  expect_untouched(&fuse_rotary, body + "  return (%sum, %rotated)");
  expect_untouched(&fuse_rotary, body + "  return (%sum, %a)");
  expect_untouched(&fuse_rotary, body + "  return (%sum, %y1)");
  expect_untouched(&fuse_rotary, "  %e : Tensor = aten::exp(%x)\n" + rotated_four("e") +
                                     "  %w0 : Tensor = aten::relu_(%e)\n" + weighted("e", "cos", "sin") +
                                     "  return (%sum)");
}

// ---- counts
// The lines of a nested block.
std::string nested(const std::string& lines) {
  std::string text;
  for (size_t begin = 0; begin < lines.size(); begin = lines.find('\n', begin) + 1)
    text += "    " + lines.substr(begin, lines.find('\n', begin) + 1 - begin);
  return text;
}

std::string branches(const std::string& first, const std::string& second) {
  return "  %z : Tensor = prim::If(%c)\n    block0():\n" + nested(first) + "    block1():\n" +
         nested(second) + "  return (%z)";
}

std::string linear_and_relu(const std::string& n, const std::string& x) {
  return linear("y" + n, x) + "  %z" + n + " : Tensor = aten::relu(%y" + n + ")\n";
}

TEST(FusionCounts, TakeTheLargerOfTwoBranches) {
  const std::string two = linear_and_relu("1", "x") + linear_and_relu("2", "z1") + "  -> (%z2)\n";
  const std::string one = linear_and_relu("3", "x") + "  -> (%z3)\n";
  for (const std::string& body : {branches(two, one), branches(one, two)})
    EXPECT_EQ(outcomes_of(&fuse_gelu_relu, graph_of(body)), (OutcomeCounts{{kMade, 2}})) << body;
  // Before the branches, too: each forward runs it.
  EXPECT_EQ(outcomes_of(&fuse_gelu_relu, graph_of(linear_and_relu("0", "x") + branches(two, one))),
            (OutcomeCounts{{kMade, 3}}));
}

TEST(FusionCounts, TakeALoopOnce) {
  const auto graph =
      graph_of("  %z : Tensor = prim::Loop(%7, %true, %x)\n    block0(%i : int, %h : Tensor):\n" +
               nested(linear_and_relu("1", "h")) + "      -> (%true, %z1)\n  return (%z)");
  EXPECT_EQ(outcomes_of(&fuse_gelu_relu, graph), (OutcomeCounts{{kMade, 1}}));
}

TEST(FusionCounts, SayWhyAnActivationIsLeft) {
  const std::string gelu = "  %z : Tensor = aten::gelu(%y, %no)\n";
  expect_left(&fuse_gelu_relu, linear("y", "x") + "  %z : Tensor = aten::gelu(%y, %tanh)\n  return (%z)",
              {{"its GELU is not the exact one", 1}});
  expect_left(&fuse_gelu_relu, linear("y", "x") + gelu + "  return (%y, %z)", {{kReadByOthers, 1}});
  expect_left(&fuse_gelu_relu, linear("y", "x", {{"activation", "no"}}) + gelu + "  return (%z)",
              {{kNotInteger, 1}});
  expect_left(&fuse_gelu_relu, linear("y", "x", {{"residual", "r"}}) + gelu + "  return (%z)",
              {{"its linear layer took another op in", 1}});
  expect_left(&fuse_gelu_relu,
              linear("y", "x") +
                  "  %z : Tensor = prim::If(%c)\n    block0():\n      %v : Tensor = aten::relu(%y)\n"
                  "      -> (%v)\n    block1():\n      -> (%x)\n  return (%z)",
              {{kOtherBlock, 1}});
  expect_left(&fuse_gelu_relu, "  %z : Tensor = aten::relu(%x)\n  return (%z)", {});
}

TEST(FusionCounts, SayWhyAResidualIsLeft) {
  const std::string add = "  %z : Tensor = aten::add(%r, %y, %1)\n";
  expect_left(&fuse_residual, linear("y", "x") + add + "  return (%y, %z)", {{kReadByOthers, 1}});
  expect_left(&fuse_residual, linear("y", "x", {{"weight", "canonical"}}) + add + "  return (%z)",
              {{kNotInteger, 1}});
  expect_left(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add(%r, %y, %2)\n  return (%z)",
              {{"a factor (alpha) is part of the sum", 1}});
  expect_left(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add_(%r, %y, %1)\n  return (%z)",
              {{"the sum is in place", 1}});
  expect_left(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::mul(%y, %half)\n  return (%z)",
              {{"its factor is not one per channel, of the result's dtype", 1}});
  expect_left(&fuse_residual,
              "  %t : Tensor = aten::exp(%r)\n" + linear("y", "x") +
                  "  %e : Tensor = aten::relu_(%t)\n  %z : Tensor = aten::add(%t, %y, %1)\n  return (%z, %e)",
              {{kWritten, 1}});
  // The sum that a linear took in is read by the next layers.
  expect_left(&fuse_residual, linear("y", "x", {{"residual", "q"}}) + add + "  return (%y, %z)", {});
  // No residual, a vector, and one sum that either of two linears may take in.
  expect_left(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::mul(%y, %r)\n  return (%z)", {});
  expect_left(&fuse_residual, linear("y", "x") + "  %z : Tensor = aten::add(%y, %short, %1)\n  return (%z)",
              {});
  EXPECT_EQ(outcomes_of(&fuse_residual, graph_of(linear("y", "x") + linear("z", "r") +
                                                 "  %v : Tensor = aten::add(%y, %z, %1)\n  return (%v, %y)")),
            (OutcomeCounts{{kMade, 1}}));
}

TEST(FusionCounts, SayWhyASharedInputIsLeft) {
  expect_left(&fuse_shared_input,
              linear("y", "x") + linear("z", "x", {{"activation_symmetric", "true"}}) + "  return (%y, %z)",
              {{"its linear layers quantize it differently", 1}});
  expect_left(&fuse_shared_input,
              linear("y", "x") + "  %v : Tensor = prim::If(%c)\n    block0():\n" + nested(linear("z", "x")) +
                  "      -> (%z)\n    block1():\n      -> (%r)\n  return (%y, %v)",
              {{kOtherBlock, 1}});
  expect_left(&fuse_shared_input,
              "  %t : Tensor = aten::exp(%x)\n" + linear("y", "t") + "  %e : Tensor = aten::relu_(%t)\n" +
                  linear("z", "t") + "  return (%y, %z, %e)",
              {{kWritten, 1}});
  expect_left(&fuse_shared_input, linear("y", "x") + linear("z", "r") + "  return (%y, %z)", {});
}

TEST(FusionCounts, SayWhyALayerNormIsLeft) {
  expect_left(&fuse_layer_norm, kNorm + linear("y", "n") + "  return (%y, %n)", {{kReadByOthers, 1}});
  expect_left(&fuse_layer_norm, kNorm + linear("y", "n", {{"activation", "no"}}) + "  return (%y)",
              {{kNotInteger, 1}});
  expect_left(&fuse_layer_norm,
              "  %shape : int[] = prim::ListConstruct(%2, %16)\n"
              "  %n : Tensor = aten::layer_norm(%x, %shape, %w, %none, %eps, %true)\n" +
                  linear("y", "n") + "  return (%y)",
              {{"it is not over the last dimension", 1}});
  expect_left(&fuse_layer_norm, std::string(kNorm) + "  %y : Tensor = aten::tanh(%n)\n  return (%y)", {});
}

TEST(FusionCounts, SayWhyAStaticOutputIsLeft) {
  const std::string second = linear("z", "y", with(kStatic, {{"weight", "q2"}}));
  expect_left(&fuse_static_output, linear("y", "x", {{"residual", "r"}}) + second + "  return (%z)",
              {{"the sum with a residual is not stored as u8", 1}});
  expect_left(&fuse_static_output, linear("y", "x") + second + "  return (%y, %z)", {{kReadByOthers, 1}});
  expect_left(&fuse_static_output, linear("y", "x") + linear("z", "y", {{"weight", "q2"}}) + "  return (%z)",
              {});
}

TEST(FusionCounts, SayWhyARotationIsLeft) {
  const std::string body = rotated_four("x") + weighted("x", "cos", "sin");
  expect_left(&fuse_rotary, body + "  return (%sum, %y1)", {{kReadByOthers, 1}});
  std::string other = body;
  other.replace(other.find("cat(%list, %back"), 16, "cat(%list, %2");
  expect_left(&fuse_rotary, other + "  return (%sum)",
              {{"it is not a rotation of halves or quarters of the last dimension", 1}});
  expect_left(&fuse_rotary,
              "  %e : Tensor = aten::exp(%x)\n" + rotated_four("e") + "  %w0 : Tensor = aten::relu_(%e)\n" +
                  weighted("e", "cos", "sin") + "  return (%sum)",
              {{kWritten, 1}});
  expect_left(&fuse_rotary, "  %sum : Tensor = aten::add(%x, %r, %1)\n  return (%sum)", {});
}

}  // namespace
}  // namespace vqt
