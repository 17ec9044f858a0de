// linear(x) -> gelu or relu  =>  linear(x, post_op)
#include "passes/fusion/fusions.h"

#include <torch/csrc/jit/ir/constants.h>

#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

// The post_op for this activation, or null. In-place forms too: the linear's result is new memory that nothing
// else reads.
const char* post_op_of(const Node* node) {
  if (node->kind() == aten::relu || node->kind() == aten::relu_) return "relu";
  const auto approximate = toIValue(node->input(1));
  return approximate && approximate->isString() && approximate->toStringRef() == "none" ? "gelu" : nullptr;
}

Outcome fuse(FusionGraph& graph, Node* activation) {
  Node* linear = activation->input(0)->node();
  if (!is_any_linear(linear)) return kNoPattern;
  if (!graph.is_integer_linear(linear)) return kNotInteger;
  if (only_user(linear->output()) != activation) return kReadByOthers;
  if (!in_same_block(linear, activation)) return kOtherBlock;
  const char* post_op = post_op_of(activation);
  if (post_op == nullptr) return "its GELU is not the exact one";
  for (const char* name : {"post_op", "gamma", "residual", "y_scale"}) {
    if (!is_default(linear, name)) return "its linear layer took another op in";
  }
  set_argument(linear, "post_op", c10::IValue(post_op));
  graph.replace(activation->output(), linear->output());
  activation->destroy();
  return kMade;
}

}  // namespace

FusionResult fuse_gelu_relu(FusionGraph& graph) {
  FusionResult result;
  for (const char* kind : {"aten::gelu", "aten::gelu_", "aten::relu", "aten::relu_"}) {
    for (Node* activation : graph.nodes(kind)) {
      const Block* block = activation->owningBlock();
      result.add(block, fuse(graph, activation));
    }
  }
  return result;
}

}  // namespace vqt
