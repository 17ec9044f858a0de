// Graphs for the tests of fusions: linears with all their arguments in one call, constants that are there by
// name.
#pragma once

#include <ATen/ops/empty.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "passes/fusion/fusion_graph.h"
#include "passes/fusion/fusion_result.h"
#include "passes/rewrite/quantize_linears.h"
#include "tests/passes/graph_text.h"

namespace vqt {

constexpr const char* kInputs =
    "graph(%x : Tensor, %r : Tensor, %q : Tensor, %q2 : Tensor, %b : Tensor, %g : Tensor, %short : Tensor, "
    "%half : Tensor, %matrix : Tensor, %canonical : Tensor, %w : Tensor, %c : bool, %cos : Tensor, %sin : "
    "Tensor, "
    "%rope : Tensor):\n";

constexpr const char* kConstants = R"(
  %none : NoneType = prim::Constant()
  %dynamic : str = prim::Constant[value="dynamic"]()
  %static : str = prim::Constant[value="static"]()
  %no : str = prim::Constant[value="none"]()
  %gelu : str = prim::Constant[value="gelu"]()
  %relu : str = prim::Constant[value="relu"]()
  %tanh : str = prim::Constant[value="tanh"]()
  %false : bool = prim::Constant[value=0]()
  %true : bool = prim::Constant[value=1]()
  %zero : float = prim::Constant[value=0.]()
  %half_scale : float = prim::Constant[value=0.5]()
  %eps : float = prim::Constant[value=1e-05]()
  %0 : int = prim::Constant[value=0]()
  %1 : int = prim::Constant[value=1]()
  %2 : int = prim::Constant[value=2]()
  %3 : int = prim::Constant[value=3]()
  %4 : int = prim::Constant[value=4]()
  %6 : int = prim::Constant[value=6]()
  %7 : int = prim::Constant[value=7]()
  %16 : int = prim::Constant[value=16]()
  %32 : int = prim::Constant[value=32]()
  %back : int = prim::Constant[value=-1]()
)";

using Named = std::map<std::string, std::string>;  // argument: value, without its %

// "  %y : Tensor = vqt::linear_int8(%x, %q, %b, ...)", arguments at their defaults unless named.
inline std::string linear(const std::string& y, const std::string& x, const Named& given = {}) {
  static const std::vector<std::pair<std::string, std::string>> kDefaults = {
      {"weight", "q"},           {"bias", "b"},
      {"scale", "none"},         {"zero_point", "none"},
      {"activation", "dynamic"}, {"activation_symmetric", "false"},
      {"x_scale", "zero"},       {"x_zero_point", "0"},
      {"row_begin", "0"},        {"row_end", "back"},
      {"post_op", "no"},         {"gamma", "none"},
      {"residual", "none"},      {"dtype", "none"},
      {"y_scale", "zero"},       {"y_zero_point", "0"},
      {"y_symmetric", "false"}};
  std::string text = "  %" + y + " : Tensor = vqt::linear_int8(%" + x;
  for (const auto& [name, value] : kDefaults) text += ", %" + (given.count(name) ? given.at(name) : value);
  return text + ")\n";
}

inline std::string quantizer(const std::string& q, const std::string& call, const Named& given = {}) {
  const auto of = [&](const char* name, const char* value) {
    return given.count(name) ? given.at(name) : std::string(value);
  };
  return "  %" + q + " : Tensor = vqt::" + call + ", %" + of("activation", "dynamic") + ", %" +
         of("activation_symmetric", "false") + ", %" + of("x_scale", "zero") + ", %" +
         of("x_zero_point", "0") + ")\n";
}

inline std::shared_ptr<torch::jit::Graph> graph_of(const std::string& body) {
  return parse(kInputs + std::string(kConstants) + body);
}

// As text, with every constant once, at the top and in an order of its own: where a pass put it does not
// matter.
inline std::string settled(const std::shared_ptr<torch::jit::Graph>& given) {
  using namespace torch::jit;
  const auto graph = given->copy();
  EliminateDeadCode(graph);
  std::vector<std::pair<std::string, Node*>> constants;
  for_each_node(graph->block(), [&](Node* node) {
    if (node->kind() != prim::Constant) return;
    std::ostringstream key;
    key << node->output()->type()->str() << " " << toIValue(node->output()).value();
    constants.emplace_back(key.str(), node);
  });
  std::stable_sort(constants.begin(), constants.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  for (const auto& [key, node] : constants) {
    Node* front = *graph->block()->nodes().begin();
    if (front != node) node->moveBefore(front);
  }
  return text_of(graph);
}

// Packed weights of random values: q [32, 16] (bias b, factors g) and q2 [16, 32]; canonical is none.
class TestTensors {
 public:
  TestTensors() {
    const Scheme scheme;
    tensors_["q"] = quantize_weight(at::randn({32, 16}), scheme, "auto", "q").packed;
    tensors_["q2"] = quantize_weight(at::randn({16, 32}), scheme, "auto", "q2").packed;
    tensors_["canonical"] = quantize_weight(at::randn({32, 16}), scheme, "canonical", "canonical").packed;
    tensors_["b"] = at::randn({32});
    tensors_["g"] = at::randn({32});
    tensors_["short"] = at::randn({16});
    tensors_["half"] = at::randn({32}).to(at::kHalf);
    tensors_["matrix"] = at::randn({32, 32});
  }
  c10::IValue operator()(const torch::jit::Value* value) const {
    const auto found = tensors_.find(value->debugName());
    return found == tensors_.end() ? c10::IValue() : c10::IValue(found->second);
  }

 private:
  std::map<std::string, at::Tensor> tensors_;
};

using FusionFn = FusionResult (*)(FusionGraph&);

// What one run of the graph has of the fusion, which it changes.
inline OutcomeCounts outcomes_of(FusionFn fusion, const std::shared_ptr<torch::jit::Graph>& graph) {
  static const TestTensors tensors;
  FusionGraph view(graph, tensors);
  return fusion(view).once(graph->block());
}

// Runs the fusion on `before`: it makes `made` of its kind, and what is left is `after`.
inline void expect_fused(FusionFn fusion, const std::string& before, const std::string& after,
                         int64_t made = 1) {
  const auto graph = graph_of(before);
  EXPECT_EQ(outcomes_of(fusion, graph)[kMade], made) << before;
  EXPECT_EQ(settled(graph), settled(graph_of(after))) << before;
}

// Nothing is made of `body`, for these reasons.
inline void expect_left(FusionFn fusion, const std::string& body, const OutcomeCounts& reasons) {
  const auto graph = graph_of(body);
  EXPECT_EQ(outcomes_of(fusion, graph), reasons) << body;
  EXPECT_EQ(settled(graph), settled(graph_of(body))) << body;
}

inline void expect_untouched(FusionFn fusion, const std::string& body) {
  expect_fused(fusion, body, body, 0);
}

}  // namespace vqt
