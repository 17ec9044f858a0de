// add(r, mul(linear(x), gamma))  =>  linear(x, gamma, residual = r); mul or add may be missing
#include "passes/fusion/fusions.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

Value* other_input(const Node* node, const Value* value) {
  Node* n = const_cast<Node*>(node);
  return n->input(0) == value ? n->input(1) : n->input(0);
}

// The dtype of a linear's result: aten::linear took x, weight and bias of one dtype.
std::optional<at::ScalarType> result_type(const FusionGraph& graph, const Node* linear) {
  const c10::IValue bias = graph.constant_value(linear->input(2));
  return bias.isTensor() ? std::optional<at::ScalarType>(bias.toTensor().scalar_type()) : graph.float_type();
}

// One factor per column, with the dtype of the result: another dtype would change that of the product.
bool is_gamma(const FusionGraph& graph, const Node* linear, const Value* value) {
  const c10::IValue constant = graph.constant_value(value);
  if (!constant.isTensor() || !constant.toTensor().defined()) return false;
  const at::Tensor& gamma = constant.toTensor();
  return gamma.dim() == 1 && gamma.size(0) == graph.rows(linear) &&
         gamma.scalar_type() == result_type(graph, linear);
}

bool is_residual(const FusionGraph& graph, const Value* value) {
  if (value->type()->kind() != c10::TypeKind::TensorType || is_quantized_activation(value)) return false;
  const c10::IValue constant = graph.constant_value(value);  // a table of positions, for example
  if (!constant.isTensor()) return true;
  const at::Tensor& table = constant.toTensor();
  return table.defined() && table.dim() >= 2 && table.is_floating_point();
}

class ResidualFuser {
 public:
  explicit ResidualFuser(FusionGraph& graph) : graph_(graph) {}

  bool fuse(Node* linear) {
    if (!is_default(linear, "gamma") || !is_default(linear, "residual") || !is_default(linear, "y_scale")) {
      return false;
    }
    const bool scaled = fuse_gamma(linear);
    return fuse_add(linear) || scaled;
  }

  // Why a product or sum that is still there after all linears were fused was left.
  Outcome why_left(const Node* user) const {
    for (const Value* operand : {user->input(0), user->input(1)}) {
      const Outcome reason = why_left(user, operand->node(), other_input(user, operand));
      if (reason != kNoPattern) return reason;
    }
    return kNoPattern;
  }

 private:
  Outcome why_left(const Node* user, const Node* linear, const Value* other) const {
    const bool sum = is_op(user, "aten::add", "Tensor") || is_op(user, "aten::add_", "Tensor");
    if (!is_any_linear(linear) || other == linear->output()) return kNoPattern;
    // A factor that no one knows may be another branch of the model, as in gated MLPs.
    if (sum ? !is_residual(graph_, other) : !graph_.constant_value(other).isTensor()) return kNoPattern;
    if (!graph_.is_integer_linear(linear)) return kNotInteger;
    // Has one: its result is what later layers add to.
    if (!is_default(linear, "residual")) return kNoPattern;
    if (only_user(linear->output()) != user) return kReadByOthers;
    if (!in_same_block(linear, user)) return kOtherBlock;
    if (!sum && !is_gamma(graph_, linear, other))
      return "its factor is not one per channel, of the result's dtype";
    if (is_op(user, "aten::add_", "Tensor")) return "the sum is in place";
    if (sum && !is_int(user->input(2), 1)) return "a factor (alpha) is part of the sum";
    return kWritten;
  }

  bool fuse_gamma(Node* linear) {
    Node* mul = only_user(linear->output());
    if (mul == nullptr || !in_same_block(linear, mul)) return false;
    // In place on the new result of the linear: the same.
    const bool in_place = is_op(mul, "aten::mul_", "Tensor") && mul->input(0) == linear->output();
    if (!in_place && !is_op(mul, "aten::mul", "Tensor")) return false;
    Value* gamma = other_input(mul, linear->output());
    if (gamma == linear->output() || !is_gamma(graph_, linear, gamma)) return false;
    if (!bring_together(linear, mul, gamma)) return false;
    set_argument(linear, "gamma", gamma);
    take_over(linear, mul);
    return true;
  }

  bool fuse_add(Node* linear) {
    Node* add = only_user(linear->output());
    if (add == nullptr || !in_same_block(linear, add) || !is_op(add, "aten::add", "Tensor")) return false;
    Value* residual = other_input(add, linear->output());
    if (residual == linear->output() || !is_int(add->input(2), 1)) return false;
    if (!is_residual(graph_, residual)) return false;
    if (!bring_together(linear, add, residual)) return false;
    set_argument(linear, "residual", residual);
    take_over(linear, add);
    return true;
  }

  // The linear needs the operand, with the value that user reads. Parameters are loaded before the linear.
  // Where another operand comes later, the linear is moved behind it, unless something writes to the linear's
  // inputs.
  bool bring_together(Node* linear, Node* user, const Value* operand) {
    if (!graph_.constant_value(operand).isNone()) load_before(operand->node(), linear);
    const Node* source = operand->node();
    if (source->kind() == prim::Param || source->isBefore(linear))
      return !graph_.written_between(linear, user, {operand});
    if (graph_.written_between(linear, user, {linear->inputs().begin(), linear->inputs().end()}))
      return false;
    linear->moveBefore(user);
    return true;
  }

  // Attributes that no method assigns to: the module's chain of prim::GetAttr too.
  static void load_before(const Node* load, Node* linear) {
    Node* node = const_cast<Node*>(load);
    if (node->kind() != prim::GetAttr && node->kind() != prim::Constant) return;
    if (!in_same_block(node, linear) || node->isBefore(linear)) return;
    for (Value* input : node->inputs()) load_before(input->node(), linear);
    node->moveBefore(linear);
  }

  void take_over(Node* linear, Node* user) {
    graph_.replace(user->output(), linear->output());
    user->destroy();
  }

  FusionGraph& graph_;
};

}  // namespace

FusionResult fuse_residual(FusionGraph& graph) {
  FusionResult result;
  ResidualFuser fuser(graph);
  for (Node* linear : graph.integer_linears())
    result.add(linear->owningBlock(), fuser.fuse(linear) ? kMade : kNoPattern);
  // Afterwards: a sum of two linears is one candidate, and either may take it in.
  for (const char* kind : {"aten::mul", "aten::mul_", "aten::add", "aten::add_"}) {
    for (const Node* user : graph.nodes(kind)) {
      if (is_op(user, kind, "Tensor")) result.add(user->owningBlock(), fuser.why_left(user));
    }
  }
  return result;
}

}  // namespace vqt
