// Passes on graphs: text in, whole text out.
#include <ATen/ops/empty.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "passes/calibration/observe_activations.h"
#include "passes/ir/clone_module.h"
#include "passes/ir/fast_path.h"
#include "passes/ir/inline_functions.h"
#include "passes/ir/model_graph.h"
#include "passes/rewrite/quantize_linears.h"
#include "tests/passes/graph_text.h"

namespace vqt {
namespace {

using namespace torch::jit;

Node* find(const std::shared_ptr<Graph>& graph, const std::string& kind) {
  Node* found = nullptr;
  for_each_node(graph->block(), [&](Node* node) {
    if (node->kind() == Symbol::fromQualString(kind)) found = node;
  });
  return found;
}

// %q stands for the packed weight.
std::string rewritten(const PlannedSite& plan, const ActivationRange& range, const RowRange& rows) {
  const auto graph = parse(R"(graph(%x : Tensor, %w : Tensor, %b : Tensor?, %q : Tensor):
      %c : Tensor = aten::relu(%x)
      %y : Tensor = aten::linear(%c, %w, %b)
      %z : Tensor = aten::tanh(%y)
      return (%z))");
  rewrite_linear(find(graph, "aten::linear"), graph->inputs()[3], linear_op(plan.scheme),
                 linear_arguments(plan, range, rows, 48));
  return text_of(graph);
}

TEST(RewriteLinear, DynamicKeepsTheBiasAndNamesNoRange) {
  PlannedSite plan;
  EXPECT_EQ(rewritten(plan, {}, {0, 48}),
            text_of(R"(graph(%x : Tensor, %w : Tensor, %b : Tensor?, %q : Tensor):
      %c : Tensor = aten::relu(%x)
      %none : NoneType = prim::Constant()
      %dynamic : str = prim::Constant[value="dynamic"]()
      %false : bool = prim::Constant[value=0]()
      %zero : float = prim::Constant[value=0.]()
      %0 : int = prim::Constant[value=0]()
      %1 : int = prim::Constant[value=0]()
      %end : int = prim::Constant[value=-1]()
      %no : str = prim::Constant[value="none"]()
      %y : Tensor = vqt::linear_int8(%c, %q, %b, %none, %none, %dynamic, %false, %zero, %0, %1, %end, %no, %none, %none, %none, %zero, %0, %false)
      %z : Tensor = aten::tanh(%y)
      return (%z))"));
}

TEST(RewriteLinear, StaticCarriesItsRangeAndRows) {
  PlannedSite plan;
  plan.activation = ActivationMode::kStatic;
  plan.activation_symmetric = true;
  EXPECT_EQ(rewritten(plan, {0.5, 0}, {16, 32}),
            text_of(R"(graph(%x : Tensor, %w : Tensor, %b : Tensor?, %q : Tensor):
      %c : Tensor = aten::relu(%x)
      %none : NoneType = prim::Constant()
      %static : str = prim::Constant[value="static"]()
      %true : bool = prim::Constant[value=1]()
      %scale : float = prim::Constant[value=0.5]()
      %zero : int = prim::Constant[value=0]()
      %begin : int = prim::Constant[value=16]()
      %end : int = prim::Constant[value=32]()
      %no : str = prim::Constant[value="none"]()
      %f0 : float = prim::Constant[value=0.]()
      %false : bool = prim::Constant[value=0]()
      %y : Tensor = vqt::linear_int8(%c, %q, %b, %none, %none, %static, %true, %scale, %zero, %begin, %end, %no, %none, %none, %none, %f0, %zero, %false)
      %z : Tensor = aten::tanh(%y)
      return (%z))"));
}

TEST(RewriteLinear, SixteenBitsKnowNoActivationMode) {
  PlannedSite plan;
  plan.scheme.bits = 16;
  EXPECT_EQ(rewritten(plan, {}, {0, 16}),
            text_of(R"(graph(%x : Tensor, %w : Tensor, %b : Tensor?, %q : Tensor):
      %c : Tensor = aten::relu(%x)
      %none : NoneType = prim::Constant()
      %begin : int = prim::Constant[value=0]()
      %end : int = prim::Constant[value=16]()
      %y : Tensor = vqt::linear_int16(%c, %q, %b, %none, %begin, %end)
      %z : Tensor = aten::tanh(%y)
      return (%z))"));
}

TEST(FoldBranches, TakesConstantBranchesAndLeavesTheOthers) {
  const auto graph = parse(R"(graph(%x : Tensor, %c : bool):
      %t : bool = prim::Constant[value=1]()
      %none : NoneType = prim::Constant()
      %a : Tensor = prim::If(%t)
        block0():
          %b : Tensor = aten::relu(%x)
          -> (%b)
        block1():
          %b2 : Tensor = aten::tanh(%x)
          -> (%b2)
      %f : bool = aten::__not__(%t)
      %d : Tensor = prim::If(%c)
        block0():
          %e : Tensor = prim::If(%f)
            block0():
              %g : Tensor = aten::exp(%a)
              -> (%g)
            block1():
              %h : Tensor = aten::neg(%a)
              -> (%h)
          -> (%e)
        block1():
          -> (%a)
      %given : bool = aten::__isnot__(%x, %none)
      %i : Tensor = prim::If(%given)
        block0():
          -> (%d)
        block1():
          -> (%x)
      return (%i))");
  fold_branches(*graph);
  EXPECT_EQ(text_of(graph), text_of(R"(graph(%x : Tensor, %c : bool):
      %t : bool = prim::Constant[value=1]()
      %none : NoneType = prim::Constant()
      %b : Tensor = aten::relu(%x)
      %f : bool = aten::__not__(%t)
      %d : Tensor = prim::If(%c)
        block0():
          %h : Tensor = aten::neg(%b)
          -> (%h)
        block1():
          -> (%b)
      %given : bool = aten::__isnot__(%x, %none)
      return (%d))"));
}

Module with_forward(const std::string& source) {
  Module module("M");
  module.register_parameter("weight", at::empty({48, 16}), false);
  module.register_parameter("bias", at::empty({48}), false);
  module.register_attribute("training", c10::BoolType::get(), false);
  module.register_attribute("seen", c10::TensorType::get(), at::empty({4}));
  module.define(source);
  return module;
}

// The shape of nn.MultiheadAttention.forward: reasons against the fast path, then one branch that leads to
// it.
TEST(CutFastPath, LeavesWhatTheOtherBranchComputes) {
  const Module module = with_forward(R"(
def forward(self, x, bias: Optional[Tensor], n: int):
    why = ""
    if self.training:
        why = "training"
    if not len(why) > 0:
        if not self.weight.device == x.device:
            why = "device"
        if not len(why) > 0:
            return torch._native_multi_head_attention(x, x, x, 16, 2, self.weight, self.bias, self.weight, self.bias)[0]
    if n > 0:
        x = torch.relu(x)
    return torch.linear(x, self.weight, bias)
)");
  const Module plain = with_forward(R"(
def forward(self, x, bias: Optional[Tensor], n: int):
    if n > 0:
        x = torch.relu(x)
    return torch.linear(x, self.weight, bias)
)");
  const ModelGraphs graphs(module);
  const auto paths = find_fast_paths(graphs);
  ASSERT_EQ(paths.size(), 1u);
  EXPECT_EQ(enclosing_fast_path(paths, find(graphs.methods()[0].graph, "aten::_native_multi_head_attention")),
            0);
  EXPECT_EQ(enclosing_fast_path(paths, find(graphs.methods()[0].graph, "aten::linear")), -1);
  cut_fast_paths(graphs, paths);
  EXPECT_EQ(text_of(graphs.methods()[0].graph), text_of(plain.get_method("forward").graph()));
}

TEST(CutFastPath, FindsNoneInAStraightLine) {
  const Module module = with_forward(R"(
def forward(self, x):
    return torch._native_multi_head_attention(x, x, x, 16, 2, self.weight, self.bias, self.weight, self.bias)[0]
)");
  EXPECT_TRUE(find_fast_paths(ModelGraphs(module)).empty());
}

// A user's own choice between attention and nothing is no fast path: there is no other branch that computes
// the same.
TEST(CutFastPath, LeavesAUsersBranchAlone) {
  const Module module = with_forward(R"(
def forward(self, x, n: int):
    if n > 0:
        x = torch._native_multi_head_attention(x, x, x, 16, 2, self.weight, self.bias, self.weight, self.bias)[0]
    return torch.linear(x, self.weight, self.bias)
)");
  EXPECT_TRUE(find_fast_paths(ModelGraphs(module)).empty());
}

// A layer's fast path, an attention's inside its other branch: freezing inlines both into one graph.
TEST(CutFastPath, StopsAtTheLayerAround) {
  const Module module = with_forward(R"(
def forward(self, x, n: int, m: int):
    if n > 0:
        if m > 1:
            return torch._transformer_encoder_layer_fwd(x, 16, 2, self.weight, self.bias, self.weight, self.bias, True, False, 0.1, self.bias, self.bias, self.bias, self.bias, self.weight, self.bias, self.weight, self.bias)
    y = x
    done = False
    if m > 0:
        y = torch._native_multi_head_attention(x, x, x, 16, 2, self.weight, self.bias, self.weight, self.bias)[0]
        done = True
    if not done:
        y = torch.linear(x, self.weight, self.bias)
    return y
)");
  const ModelGraphs graphs(module);
  const auto paths = find_fast_paths(graphs);
  ASSERT_EQ(paths.size(), 2u);
  cut_fast_paths(graphs, paths);
  const std::string text = text_of(graphs.methods()[0].graph);
  EXPECT_NE(text.find("aten::linear"), std::string::npos) << text;
  EXPECT_EQ(text.find("_transformer_encoder_layer_fwd"), std::string::npos) << text;
  EXPECT_EQ(text.find("_native_multi_head_attention"), std::string::npos) << text;
}

TEST(InsertObserver, ReadsTheInputBeforeTheLinear) {
  const Module module = with_forward(
      "def forward(self, x):\n    return torch.relu(torch.linear(torch.tanh(x), self.weight, self.bias))\n");
  const auto graph = module.get_method("forward").graph()->copy();
  insert_observer(find(graph, "aten::linear"), "seen");
  EXPECT_EQ(text_of(graph), R"(graph(%0 : Module,
      %1 : Tensor):
  %2 : str = prim::Constant[value="minmax"]()
  %3 : Tensor = aten::tanh(%1)
  %4 : Tensor = prim::GetAttr[name="weight"](%0)
  %5 : Tensor = prim::GetAttr[name="bias"](%0)
  %6 : Tensor = prim::GetAttr[name="seen"](%0)
   = vqt::observe(%3, %6, %2)
  %7 : Tensor = aten::linear(%3, %4, %5)
  %8 : Tensor = aten::relu(%7)
  return (%8)
)");
}

TEST(InlineFunctions, BringsAMethodToTheWeightItIsPassed) {
  Module child("Child");
  child.register_parameter("own", at::empty({16, 16}), false);
  child.define(R"(
def project(self, x, w):
    return torch.linear(torch.linear(x, self.own), w)
def untouched(self, x):
    return torch.linear(x, self.own)
)");
  Module model("Model");
  model.register_module("child", child);
  model.register_parameter("weight", at::empty({48, 16}), false);
  model.define(R"(
def give(self):
    return self.weight
def forward(self, x):
    y = self.child.project(self.child.untouched(x), self.weight)
    return torch.linear(y, self.give())
)");
  const Module copy = clone_with_own_types(model);
  const ModelGraphs graphs(copy);
  inline_functions(graphs);
  EXPECT_EQ(text_of(copy.get_method("forward").graph()), R"(graph(%0 : Module,
      %1 : Tensor):
  %2 : NoneType = prim::Constant()
  %3 : Module = prim::GetAttr[name="child"](%0)
  %4 : Module = prim::GetAttr[name="child"](%0)
  %5 : Tensor = prim::CallMethod[name="untouched"](%4, %1)
  %6 : Tensor = prim::GetAttr[name="weight"](%0)
  %7 : Tensor = prim::GetAttr[name="own"](%3)
  %8 : Tensor = aten::linear(%5, %7, %2)
  %9 : Tensor = aten::linear(%8, %6, %2)
  %10 : Tensor = prim::GetAttr[name="weight"](%0)
  %11 : Tensor = aten::linear(%9, %10, %2)
  return (%11)
)");
  // What was inlined from is as it was, and so is the input.
  EXPECT_EQ(text_of(copy.attr("child").toModule().get_method("project").graph()),
            text_of(child.get_method("project").graph()));
  EXPECT_NE(text_of(model.get_method("forward").graph()), text_of(copy.get_method("forward").graph()));
}

TEST(RangeOf, HandWorkedNumbers) {
  const ActivationRange asymmetric = range_of(-1.0f, 4.1f, false);  // 5.1 / 255 = 0.02, 1 / 0.02 = 50
  EXPECT_FLOAT_EQ(asymmetric.scale, 0.02f);
  EXPECT_EQ(asymmetric.zero_point, 50);
  const ActivationRange positive = range_of(2.0f, 5.1f, false);  // widened to hold 0
  EXPECT_FLOAT_EQ(positive.scale, 0.02f);
  EXPECT_EQ(positive.zero_point, 0);
  const ActivationRange symmetric = range_of(-2.54f, 1.0f, true);
  EXPECT_FLOAT_EQ(symmetric.scale, 0.02f);
  EXPECT_EQ(symmetric.zero_point, 0);
  EXPECT_EQ(range_of(0.0f, 0.0f, false).scale, 1.0);
}

}  // namespace
}  // namespace vqt
