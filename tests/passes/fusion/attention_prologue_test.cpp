#include <string>

#include "passes/fusion/fusions.h"
#include "tests/passes/fusion/fusion_text.h"

namespace vqt {
namespace {

// x is q, r is k, w is v.
std::string attention(const std::string& q, const std::string& k, const std::string& tables = "%none, %none",
                      const std::string& axes_and_halves = "%1, %false",
                      const std::string& norm = "%false, %none, %none, %none, %none, %eps") {
  return "  %y : Tensor = vqt::attention(%" + q + ", %" + k + ", %w, %none, " + tables + ", " +
         axes_and_halves + ", " + norm + ")\n";
}

std::string rotary(const std::string& y, const std::string& x, const std::string& tables = "%cos, %sin",
                   const std::string& axes = "%2", const std::string& norm = "%false, %none, %none, %eps",
                   const std::string& halves = "%false") {
  return "  %" + y + " : Tensor = vqt::rotary(%" + x + ", " + tables + ", " + axes + ", " + norm +
         ", %false, " + halves + ")\n";
}

TEST(FuseAttentionPrologue, TakesTheRotationsOfQAndK) {
  expect_fused(&fuse_attention_prologue,
               rotary("q1", "x") + rotary("k1", "r") + attention("q1", "k1") + "  return (%y)",
               attention("x", "r", "%cos, %sin", "%2, %false") + "  return (%y)");
  expect_fused(&fuse_attention_prologue,
               rotary("q1", "x", "%cos, %sin", "%1", "%true, %short, %b, %half_scale", "%true") +
                   rotary("k1", "r", "%cos, %sin", "%1", "%true, %g, %none, %half_scale", "%true") +
                   attention("q1", "k1") + "  return (%y)",
               attention("x", "r", "%cos, %sin", "%1, %true", "%true, %short, %b, %g, %none, %half_scale") +
                   "  return (%y)");
}

TEST(FuseAttentionPrologue, KnowsATableThatIsSelectedTwice) {
  const auto tables = [](const std::string& n, const std::string& sin) {
    return "  %c" + n + " : Tensor = aten::select(%rope, %0, %0)\n  %s" + n +
           " : Tensor = aten::select(%rope, %0, %" + sin + ")\n";
  };
  const auto body = [&](const std::string& sin_of_k) {
    return tables("1", "1") + rotary("q1", "x", "%c1, %s1") + tables("2", sin_of_k) +
           rotary("k1", "r", "%c2, %s2") + attention("q1", "k1") + "  return (%y)";
  };
  expect_fused(&fuse_attention_prologue, body("1"),
               tables("1", "1") + attention("x", "r", "%c1, %s1", "%2, %false") + "  return (%y)");
  expect_left(&fuse_attention_prologue, body("2"), {{"q and k are prepared differently", 1}});
}

std::string norm(const std::string& y, const std::string& x, const std::string& weight,
                 const std::string& eps = "eps", const std::string& shape = "shape") {
  return "  %" + y + " : Tensor = aten::layer_norm(%" + x + ", %" + shape + ", %" + weight + ", %b, %" + eps +
         ", %true)\n";
}

TEST(FuseAttentionPrologue, TakesTheNormsOfQAndK) {
  const std::string shape =
      "  %shape : int[] = prim::ListConstruct(%16)\n  %two : int[] = prim::ListConstruct(%2, %16)\n";
  expect_fused(
      &fuse_attention_prologue,
      shape + norm("q1", "x", "short") + norm("k1", "r", "g") + attention("q1", "k1") + "  return (%y)",
      attention("x", "r", "%none, %none", "%1, %false", "%true, %short, %b, %g, %b, %eps") + "  return (%y)");
  expect_left(&fuse_attention_prologue,
              shape + norm("q1", "x", "short") + norm("k1", "r", "g", "half_scale") + attention("q1", "k1") +
                  "  return (%y)",
              {{"q and k are prepared differently", 1}});
  expect_left(&fuse_attention_prologue,
              shape + norm("q1", "x", "short", "eps", "two") + norm("k1", "r", "g", "eps", "two") +
                  attention("q1", "k1") + "  return (%y)",
              {});
}

TEST(FuseAttentionPrologue, SaysWhyOneIsLeft) {
  const std::string both = rotary("q1", "x") + rotary("k1", "r") + attention("q1", "k1");
  expect_left(&fuse_attention_prologue, attention("x", "r") + "  return (%y)", {});
  expect_left(&fuse_attention_prologue, both + "  return (%y, %k1)", {{kReadByOthers, 1}});
  expect_left(&fuse_attention_prologue, rotary("q1", "x") + attention("q1", "r") + "  return (%y)",
              {{"q and k are prepared differently", 1}});
  expect_left(
      &fuse_attention_prologue,
      rotary("q1", "x") + rotary("k1", "r", "%cos, %sin", "%1") + attention("q1", "k1") + "  return (%y)",
      {{"q and k are prepared differently", 1}});
  expect_left(&fuse_attention_prologue,
              "  %t : Tensor = aten::exp(%r)\n" + rotary("q1", "x") + rotary("k1", "t") +
                  "  %e : Tensor = aten::relu_(%t)\n" + attention("q1", "k1") + "  return (%y, %e)",
              {{kWritten, 1}});
  expect_left(&fuse_attention_prologue,
              rotary("q1", "x") + rotary("k1", "r") + "  %z : Tensor = prim::If(%c)\n    block0():\n    " +
                  attention("q1", "k1") + "      -> (%y)\n    block1():\n      -> (%r)\n  return (%z)",
              {{kOtherBlock, 1}});
}

}  // namespace
}  // namespace vqt
