// Instances, types and tensors of the copy, and the pass on modules that only C++ makes.
#include "passes/ir/clone_module.h"

#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include <set>
#include <sstream>

#include "passes/ir/inline_functions.h"
#include "passes/ir/model_graph.h"
#include "tests/passes/graph_text.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

Module linear(int64_t n = 16, int64_t k = 16) {
  Module module("Linear");
  module.register_parameter("weight", at::randn({n, k}), false);
  module.register_parameter("bias", at::randn({n}), false);
  module.register_attribute("training", c10::BoolType::get(), true);
  module.define("def forward(self, x):\n    return torch.linear(x, self.weight, self.bias)\n");
  return module;
}

// One instance under two names, and a sibling of the same type.
Module shared_instance() {
  Module model("Model");
  const Module first = linear();
  Module sibling(first._ivalue()->compilation_unit(), first.type());
  sibling.setattr("weight", at::randn({16, 16}));
  sibling.setattr("bias", at::randn({16}));
  sibling.setattr("training", true);
  model.register_module("first", first);
  model.register_module("again", first);
  model.register_module("sibling", sibling);
  model.register_buffer("steps", at::ones({1}));
  model.define(
      "def forward(self, x):\n    return self.sibling.forward(self.again.forward(self.first.forward(x))) + "
      "self.steps\n");
  return model;
}

TEST(CloneWithOwnTypes, GivesEveryInstanceAType) {
  const Module model = shared_instance();
  ASSERT_EQ(model.attr("first").toModule().type(), model.attr("sibling").toModule().type());
  const Module copy = clone_with_own_types(model);
  const Module first = copy.attr("first").toModule(), sibling = copy.attr("sibling").toModule();
  EXPECT_NE(first.type(), sibling.type());
  EXPECT_NE(first.type(), model.attr("first").toModule().type());
  EXPECT_EQ(first._ivalue(), copy.attr("again").toModule()._ivalue());
  const ModelGraphs graphs(copy);
  ASSERT_EQ(graphs.instances().size(), 3u);
  EXPECT_EQ(graphs.instances()[1].fqn, "first");
  EXPECT_EQ(graphs.instances()[2].fqn, "sibling");
  for_each_node(graphs.methods()[0].graph->block(), [&](Node* node) {
    if (node->kind() != prim::CallMethod) return;
    EXPECT_EQ(graphs.instances()[graphs.instance_of(node->input(0))].fqn,
              node->input(0)->node()->s(attr::name) == "sibling" ? "sibling" : "first");
  });
}

TEST(CloneWithOwnTypes, SharesParametersAndCopiesBuffers) {
  Module model = shared_instance();
  model.attr("first").toModule().attr("weight").toTensor().set_requires_grad(true);
  Module copy = clone_with_own_types(model);
  const at::Tensor original = model.attr("first").toModule().attr("weight").toTensor();
  const at::Tensor weight = copy.attr("first").toModule().attr("weight").toTensor();
  EXPECT_EQ(weight.data_ptr(), original.data_ptr());
  EXPECT_FALSE(weight.requires_grad());
  EXPECT_TRUE(original.requires_grad());
  EXPECT_NE(copy.attr("steps").toTensor().data_ptr(), model.attr("steps").toTensor().data_ptr());
  EXPECT_EQ(clone_with_own_types(model, Buffers::kShare).attr("steps").toTensor().data_ptr(),
            model.attr("steps").toTensor().data_ptr());
  EXPECT_FALSE(copy.attr("first").toModule().is_training());
  EXPECT_TRUE(model.attr("first").toModule().is_training());
  const at::Tensor x = at::randn({3, 16});
  EXPECT_TRUE(at::equal(copy.forward({x}).toTensor(), model.forward({x}).toTensor()));
}

TEST(CloneWithOwnTypes, KeepsHooksPropertiesConstantsAndDefaults) {
  Module model = linear();
  model.type()->addConstant("factor", 3);
  model.define("def scaled(self, x, by: float = 2.0):\n    return self.forward(x) * by\n");
  const Module copy = clone_with_own_types(model);
  EXPECT_EQ(copy.attr("factor").toInt(), 3);
  const at::Tensor x = at::randn({3, 16});
  EXPECT_TRUE(at::equal(copy.get_method("scaled")({x}).toTensor(),
                        copy.get_method("forward")({x}).toTensor().mul(2.0)));
}

TEST(Quantize, OneInstanceUnderTwoNamesIsOneSite) {
  const Module model = shared_instance();
  const std::vector<SiteInfo> sites = list_sites(model);
  ASSERT_EQ(sites.size(), 2u);
  EXPECT_EQ(sites[0].name, "first");
  EXPECT_EQ(sites[0].calls, 2);
  EXPECT_EQ(sites[0].tied, -1);
  EXPECT_EQ(sites[1].name, "sibling");
  QuantizationConfig config;
  config.skip_first_last = false;
  Report report;
  const Module result = quantize(model, config, report);
  EXPECT_EQ(result.attr("first").toModule()._ivalue(), result.attr("again").toModule()._ivalue());
  EXPECT_FALSE(result.attr("first").toModule().hasattr("weight"));
  EXPECT_TRUE(result.attr("first").toModule().hasattr("weight_q"));
}

TEST(Quantize, WholeGraphOfALinear) {
  QuantizationConfig config;
  config.skip_first_last = false;
  Report report;
  const Module result = quantize(linear(), config, report);
  EXPECT_EQ(text_of(result.get_method("forward").graph()), R"(graph(%0 : Module,
      %1 : Tensor):
  %2 : str = prim::Constant[value="none"]()
  %3 : int = prim::Constant[value=-1]()
  %4 : int = prim::Constant[value=0]()
  %5 : float = prim::Constant[value=0.]()
  %6 : bool = prim::Constant[value=0]()
  %7 : str = prim::Constant[value="dynamic"]()
  %8 : NoneType = prim::Constant()
  %9 : Tensor = prim::GetAttr[name="weight_q"](%0)
  %10 : Tensor = prim::GetAttr[name="bias"](%0)
  %11 : Tensor = vqt::linear_int8(%1, %9, %10, %8, %8, %7, %6, %5, %4, %4, %3, %2, %8, %8, %8, %5, %4, %6)
  return (%11)
)");
  // And the siblings' types did not leak into the input.
  std::set<std::string> names;
  for (size_t i = 0; i < result.type()->numAttributes(); ++i)
    names.insert(result.type()->getAttributeName(i));
  EXPECT_EQ(names, (std::set<std::string>{"bias", "training", "weight_q"}));
}

TEST(Quantize, WholeGraphOfSlicesAndQuestions) {
  Module model("Packed");
  model.register_parameter("in_proj_weight", at::randn({48, 16}), false);
  model.register_parameter("in_proj_bias", at::randn({48}), false);
  model.define(R"(
def forward(self, x, y):
    w = self.in_proj_weight
    x = x.to(w.dtype)
    q, k = w.split([x.size(-1), 2 * x.size(-1)])
    if w.size(0) > 3:
        y = torch.linear(y, k, self.in_proj_bias[16:])
    return torch.linear(x, q), y
)");
  QuantizationConfig config;
  config.skip_first_last = false;
  config.activation = ActivationMode::kNone;
  config.fusions = {"none"};
  Report report;
  const Module result = quantize(model, config, report);
  EXPECT_EQ(text_of(result.get_method("forward").graph()), R"(graph(%0 : Module,
      %1 : Tensor,
      %2 : Tensor):
  %3 : float = prim::Constant[value=0.]()
  %4 : str = prim::Constant[value="none"]()
  %5 : int = prim::Constant[value=48]()
  %6 : int = prim::Constant[value=16]()
  %7 : int = prim::Constant[value=3]()
  %8 : int = prim::Constant[value=0]()
  %9 : bool = prim::Constant[value=0]()
  %10 : NoneType = prim::Constant()
  %11 : int = prim::Constant[value=1]()
  %12 : Tensor = prim::GetAttr[name="in_proj_weight_q"](%0)
  %13 : Tensor = prim::GetAttr[name="in_proj_bias"](%0)
  %14 : int = prim::dtype(%13)
  %15 : Tensor = aten::to(%1, %14, %9, %9, %10)
  %16 : bool = aten::gt(%5, %7)
  %17 : Tensor = prim::If(%16)
    block0():
      %18 : Tensor = prim::GetAttr[name="in_proj_bias"](%0)
      %19 : Tensor = aten::slice(%18, %8, %6, %10, %11)
      %20 : Tensor = vqt::linear_int8(%2, %12, %19, %10, %10, %4, %9, %3, %8, %6, %5, %4, %10, %10, %10, %3, %8, %9)
      -> (%20)
    block1():
      -> (%2)
  %21 : Tensor = vqt::linear_int8(%15, %12, %10, %10, %10, %4, %9, %3, %8, %8, %6, %4, %10, %10, %10, %3, %8, %9)
  %22 : (Tensor, Tensor) = prim::TupleConstruct(%21, %17)
  return (%22)
)");
}

TEST(Quantize, CalibrationStopsAtTheSamplesOfTheConfig) {
  QuantizationConfig config;
  config.skip_first_last = false;
  config.activation = ActivationMode::kStatic;
  config.calibration_samples = 3;
  int64_t asked = 0, told = 0;
  QuantizeOptions options;
  options.calibration = [&](std::vector<c10::IValue>& arguments) {
    ++asked;
    arguments = {at::randn({2, 16})};
    return true;
  };
  options.progress = [&](const std::string& stage, int64_t done, int64_t) {
    if (stage == "calibrating") told = done;
  };
  Report report;
  quantize(linear(), config, report, options);
  EXPECT_EQ(asked, 3);
  EXPECT_EQ(told, 3);
}

TEST(Quantize, LetsAMovedInputGoSiteBySite) {
  Module model("Model");
  model.register_module("a", linear());
  model.register_module("b", linear());
  model.define("def forward(self, x):\n    return self.b.forward(self.a.forward(x))\n");
  const c10::weak_intrusive_ptr<c10::StorageImpl> weight(c10::intrusive_ptr<c10::StorageImpl>::reclaim_copy(
      model.attr("a").toModule().attr("weight").toTensor().storage().unsafeGetStorageImpl()));
  QuantizationConfig config;
  config.skip_first_last = false;
  Report report;
  QuantizeOptions options;
  std::vector<bool> alive;
  options.progress = [&](const std::string&, int64_t, int64_t) { alive.push_back(!weight.expired()); };
  quantize(std::move(model), config, report, options);
  EXPECT_EQ(alive, (std::vector<bool>{false, false}));
}

}  // namespace
}  // namespace vqt
