// From a quantized model to one graph a method of the root.
#include "passes/fusion/inline_root.h"

#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/api/module.h>

#include "passes/ir/simplify_inlined.h"
#include "tests/passes/graph_text.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

Module child() {
  Module module("Child");
  module.register_parameter("weight", at::randn({16, 16}), false);
  module.register_attribute("training", c10::BoolType::get(), false);
  module.define(R"(
def forward(self, x, mask: Optional[Tensor]):
    if mask is not None:
        x = x * mask
    if self.training:
        x = torch.tanh(x)
    return torch.dropout(torch.linear(x, self.weight), 0.5, self.training)
)");
  return module;
}

Module quantized(const Module& model) {
  QuantizationConfig config;
  config.quant_type = "int16_per_channel_sym";  // the op with the fewest arguments
  config.skip_first_last = false;
  config.fusions = {"none"};
  Report report;
  return quantize(model, config, report);
}

TEST(InlineRoot, BringsAllIntoOneGraphAndLeavesSubmodules) {
  Module model("Model");
  model.register_module("child", child());
  model.define(R"(
def other(self, x):
    return torch.relu(x)
def forward(self, x):
    return self.child.forward(x, None) + self.child.forward(self.other(x), x)
)");
  const Module result = quantized(model);
  const ModelGraphs graphs(result);
  const std::string child_before = text_of(result.attr("child").toModule().get_method("forward").graph());
  const std::vector<int> inlined = inline_root_methods(graphs);
  ASSERT_EQ(inlined.size(), 1u);  // `other` reaches no quantized linear
  EXPECT_EQ(graphs.methods()[inlined[0]].name, "forward");
  const auto graph = graphs.methods()[inlined[0]].graph;
  simplify_inlined(graph, [](const Value* value) {
    return value->node()->s(attr::name) == "training" ? std::optional<c10::IValue>(false) : std::nullopt;
  });
  EXPECT_EQ(text_of(graph), R"(graph(%0 : Module,
      %1 : Tensor):
  %2 : int = prim::Constant[value=-1]()
  %3 : int = prim::Constant[value=0]()
  %4 : NoneType = prim::Constant()
  %5 : int = prim::Constant[value=1]()
  %6 : Module = prim::GetAttr[name="child"](%0)
  %7 : Tensor = prim::GetAttr[name="weight_q"](%6)
  %8 : Tensor = vqt::linear_int16(%1, %7, %4, %4, %3, %2)
  %9 : Module = prim::GetAttr[name="child"](%0)
  %10 : Tensor = aten::relu(%1)
  %11 : Tensor = aten::mul(%10, %1)
  %12 : Tensor = prim::GetAttr[name="weight_q"](%9)
  %13 : Tensor = vqt::linear_int16(%11, %12, %4, %4, %3, %2)
  %14 : Tensor = aten::add(%8, %13, %5)
  return (%14)
)");
  EXPECT_EQ(text_of(result.attr("child").toModule().get_method("forward").graph()), child_before);
}

std::string simplified(const std::string& ir) {
  const auto graph = parse(ir);
  simplify_inlined(graph, [](const Value*) { return std::nullopt; });
  return text_of(graph);
}

std::string simplified_source(const std::string& source) {
  Module module("M");
  module.define(source);
  const auto graph = module.get_method("forward").graph()->copy();
  simplify_inlined(graph, [](const Value*) { return std::nullopt; });
  return text_of(graph);
}

std::string source_text(const std::string& source) {
  Module module("M");
  module.define(source);
  return text_of(module.get_method("forward").graph());
}

TEST(SimplifyInlined, RunsComparisonsOfConstantsOnly) {
  EXPECT_EQ(simplified_source(R"(
def forward(self, x):
    p = 0.5
    assert 0.0 < p and p < 1.0, "p"
    return torch.relu(x)
)"),
            source_text("def forward(self, x):\n    return torch.relu(x)\n"));
  // How many dimensions there are is not known, and whether gradients are recorded is no matter of the graph.
  const std::string open = R"(
def forward(self, x):
    assert x.dim() == 2, "two"
    if torch.is_grad_enabled():
        x = torch.relu(x)
    return x
)";
  EXPECT_EQ(simplified_source(open), source_text(open));
}

TEST(SimplifyInlined, KnowsWhatATypeDecides) {
  EXPECT_EQ(simplified(R"(graph(%x : Tensor, %m : Tensor?):
      %none : NoneType = prim::Constant()
      %given : bool = aten::__isnot__(%x, %none)
      %y : Tensor = prim::If(%given)
        block0():
          %t : Tensor = prim::unchecked_cast(%x)
          %r : Tensor = aten::relu(%t)
          -> (%r)
        block1():
          -> (%x)
      %there : bool = aten::__isnot__(%m, %none)
      %z : Tensor = prim::If(%there)
        block0():
          %mt : Tensor = prim::unchecked_cast(%m)
          %s : Tensor = aten::mul(%y, %mt)
          -> (%s)
        block1():
          -> (%y)
      return (%z))"),
            text_of(R"(graph(%x : Tensor, %m : Tensor?):
      %none : NoneType = prim::Constant()
      %r : Tensor = aten::relu(%x)
      %there : bool = aten::__isnot__(%m, %none)
      %z : Tensor = prim::If(%there)
        block0():
          %mt : Tensor = prim::unchecked_cast(%m)
          %s : Tensor = aten::mul(%r, %mt)
          -> (%s)
        block1():
          -> (%r)
      return (%z))"));
}

TEST(SimplifyInlined, TakesOutDropoutThatDropsNothing) {
  const auto graph = [](const std::string& train, const std::string& node) {
    return "graph(%x : Tensor):\n  %p : float = prim::Constant[value=0.5]()\n"
           "  %train : bool = prim::Constant[value=" +
           train + "]()\n" + node + "  %z : Tensor = aten::relu(%y)\n  return (%z)";
  };
  for (const char* op : {"dropout", "dropout_", "feature_dropout", "alpha_dropout"}) {
    const std::string node = "  %y : Tensor = aten::" + std::string(op) + "(%x, %p, %train)\n";
    EXPECT_EQ(simplified(graph("0", node)), text_of(R"(graph(%x : Tensor):
      %z : Tensor = aten::relu(%x)
      return (%z))"));
    EXPECT_EQ(simplified(graph("1", node)), text_of(graph("1", node)));
  }
}

}  // namespace
}  // namespace vqt
