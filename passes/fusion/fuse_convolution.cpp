// relu(add(add(conv(x), r), resized(low)))  =>  conv(x, residual = r, low = low, relu = True); each may be missing
#include "passes/fusion/fusions.h"
#include "passes/ir/convolutions.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_sum(const Node* node) {
  return is_op(node, "aten::add", "Tensor") || is_op(node, "aten::add_", "Tensor");
}

class ConvolutionFuser {
 public:
  explicit ConvolutionFuser(FusionGraph& graph) : graph_(graph) {}

  // Takes in what follows, one op after the other, in the order of the kernel's store.
  void fuse(Node* conv, FusionResult& result) {
    const Block* block = conv->owningBlock();
    for (;;) {
      const Outcome outcome = fuse_one(conv);
      result.add(block, outcome);
      if (outcome != kMade) return;
    }
  }

 private:
  Outcome fuse_one(Node* conv) {
    if (!is_default(conv, "relu")) return kNoPattern;
    const std::vector<Use> uses = value_uses(conv->output());
    bool about = false;
    for (const Use& use : uses) about = about || is_relu(use.user) || is_sum(use.user);
    if (!about) return kNoPattern;
    if (uses.size() != 1) return kReadByOthers;
    Node* user = uses[0].user;
    if (!in_same_block(conv, user)) return kOtherBlock;
    return is_relu(user) ? fuse_relu(conv, user) : fuse_sum(conv, user);
  }

  static bool is_relu(const Node* node) { return node->kind() == aten::relu || node->kind() == aten::relu_; }

  // In place too: the result of the convolution is new memory that nothing else reads.
  Outcome fuse_relu(Node* conv, Node* relu) {
    set_argument(conv, "relu", c10::IValue(true));
    take_over(conv, relu);
    return kMade;
  }

  Outcome fuse_sum(Node* conv, Node* sum) {
    const size_t place = sum->input(0) == conv->output() ? 0 : 1;
    Value* other = sum->input(1 - place);
    if (other == conv->output()) return kNoPattern;
    if (place == 1 && is_op(sum, "aten::add_", "Tensor")) return "the sum is in place";
    if (!is_int(sum->input(2), 1)) return "a factor (alpha) is part of the sum";
    if (is_default(conv, "low") && is_own_resize(other, sum)) {
      Value* low = other->node()->input(0);
      if (graph_.written_between(other->node(), sum, {low}) || !bring_together(conv, sum, low))
        return kWritten;
      set_argument(conv, "low", low);
    } else {
      if (!is_default(conv, "residual")) return "the convolution adds another map already";
      if (!bring_together(conv, sum, other)) return kWritten;
      set_argument(conv, "residual", other);
    }
    take_over(conv, sum);
    return kMade;
  }

  // Bilinear with aligned corners, made for this sum alone: the sum then has the size of the result.
  bool is_own_resize(const Value* value, const Node* sum) const {
    return is_aligned_resize(value->node()) && value_uses(value).size() == 1 &&
           in_same_block(value->node(), sum);
  }

  // The convolution needs the operand, with the value that user reads. Where the operand comes later, the convolution
  // is moved behind it, unless something writes to its inputs or asks for the size of its result in between.
  bool bring_together(Node* conv, Node* user, const Value* operand) {
    const Node* source = operand->node();
    const bool before = source->kind() == prim::Param || source->owningBlock() != conv->owningBlock() ||
                        source->isBefore(conv);
    if (before) return !graph_.written_between(conv, user, {operand});
    if (conv->output()->uses().size() != 1) return false;
    if (graph_.written_between(conv, user, {conv->inputs().begin(), conv->inputs().end()})) return false;
    conv->moveBefore(user);
    return true;
  }

  void take_over(Node* conv, Node* user) {
    graph_.replace(user->output(), conv->output());
    user->destroy();
  }

  FusionGraph& graph_;
};

}  // namespace

FusionResult fuse_convolution(FusionGraph& graph) {
  FusionResult result;
  ConvolutionFuser fuser(graph);
  for (const char* kind : {"vqt::conv2d_int8", "vqt::conv_transpose2d_int8"}) {
    for (Node* conv : graph.nodes(kind)) fuser.fuse(conv, result);
  }
  return result;
}

}  // namespace vqt
