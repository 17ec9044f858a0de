// linear(x) -> gelu or relu  =>  linear(x, post_op)
#include "passes/fusion/fusions.h"

#include <torch/csrc/jit/ir/constants.h>

namespace vqt {
namespace {

using namespace torch::jit;

// The post_op for this node, or null. In-place forms too: the linear's result is new memory that nothing else
// reads.
const char* post_op_of(const Node* node) {
  if (node->kind() == aten::relu || node->kind() == aten::relu_) return "relu";
  static const Symbol kGeluInPlace = Symbol::fromQualString("aten::gelu_");
  if (node->kind() != aten::gelu && node->kind() != kGeluInPlace) return nullptr;
  const auto approximate = toIValue(node->input(1));
  return approximate && approximate->isString() && approximate->toStringRef() == "none" ? "gelu" : nullptr;
}

}  // namespace

int64_t fuse_gelu_relu(FusionGraph& graph) {
  int64_t made = 0;
  for (Node* linear : graph.integer_linears()) {
    Node* user = only_user(linear->output());
    if (user == nullptr || !in_same_block(linear, user)) continue;
    const char* post_op = post_op_of(user);
    if (post_op == nullptr || !is_default(linear, "post_op") || !is_default(linear, "gamma") ||
        !is_default(linear, "residual") || !is_default(linear, "y_scale")) {
      continue;
    }
    set_argument(linear, "post_op", c10::IValue(post_op));
    graph.replace(user->output(), linear->output());
    user->destroy();
    ++made;
  }
  return made;
}

}  // namespace vqt
