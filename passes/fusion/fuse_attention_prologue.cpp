// attention(rotary(q, cos, sin, ...), rotary(k, cos, sin, ...), v)  =>  attention(q, k, v, cos, sin, ...)
// attention(layer_norm(q, ...), layer_norm(k, ...), v)              =>  attention(q, k, v, norm, ...)
#include "passes/fusion/fusions.h"

namespace vqt {
namespace {

using namespace torch::jit;

const Symbol kRotary = Symbol::fromQualString("vqt::rotary");

// The same constant, the same value, or the same selection of one.
bool is_same(const Value* a, const Value* b) {
  if (a == b) return true;
  const auto known_a = toIValue(a), known_b = toIValue(b);
  if (known_a || known_b) return known_a && known_b && !known_a->isTensor() && *known_a == *known_b;
  const Node *node_a = a->node(), *node_b = b->node();
  if (node_a->kind() != aten::select || node_b->kind() != aten::select) return false;
  for (size_t i = 0; i < node_a->inputs().size(); ++i) {
    if (!is_same(node_a->input(i), node_b->input(i))) return false;
  }
  return true;
}

bool is_prologue(const Node* node) {
  return node->kind() == kRotary || (node->kind() == aten::layer_norm && normalized_sizes(node).size() == 1);
}

// But for x and what each has of its own, a norm's weight and bias.
bool is_same_prologue(const Node* q, const Node* k) {
  if (q->kind() != k->kind()) return false;
  if (q->kind() == aten::layer_norm) return is_same(q->input(4), k->input(4));
  for (const char* name : {"cos", "sin", "axes", "halves", "norm", "norm_eps"}) {
    if (!is_same(argument(q, name), argument(k, name))) return false;
  }
  return true;
}

// What a prologue reads.
std::vector<const Value*> operands_of(const Node* node) {
  const size_t count =
      node->kind() == kRotary ? node->inputs().size() : 4;  // layer_norm: with weight and bias
  std::vector<const Value*> operands;
  for (const Value* input : node->inputs().slice(0, count)) {
    if (input->type()->isSubtypeOf(*TensorType::get())) operands.push_back(input);
  }
  return operands;
}

void set_norm(Node* attention, Node* q, Node* k) {
  const bool rotary = q->kind() == kRotary;
  const auto parameter = [&](Node* node, const char* name, size_t of_layer_norm) {
    return rotary ? argument(node, name) : node->input(of_layer_norm);
  };
  set_argument(attention, "q_norm_weight", parameter(q, "norm_weight", 2));
  set_argument(attention, "q_norm_bias", parameter(q, "norm_bias", 3));
  set_argument(attention, "k_norm_weight", parameter(k, "norm_weight", 2));
  set_argument(attention, "k_norm_bias", parameter(k, "norm_bias", 3));
  set_argument(attention, "norm_eps", parameter(q, "norm_eps", 4));
}

Outcome fuse(const FusionGraph& graph, Node* attention) {
  Node *q = attention->input(0)->node(), *k = attention->input(1)->node();
  if (!is_prologue(q) && !is_prologue(k)) return kNoPattern;
  if (!is_default(attention, "cos") || !is_default(attention, "norm")) return kNoPattern;
  if (!is_prologue(q) || !is_prologue(k) || !is_same_prologue(q, k))
    return "q and k are prepared differently";
  for (Node* node : {q, k}) {
    if (node->output()->uses().size() != 1) return kReadByOthers;
    if (!in_same_block(node, attention)) return kOtherBlock;
    if (graph.written_between(node, attention, operands_of(node))) return kWritten;
  }
  if (q->kind() == kRotary) {
    for (const char* name : {"cos", "sin", "axes", "halves", "norm"}) {
      set_argument(attention, name, argument(q, name));
    }
  } else {
    set_argument(attention, "norm", c10::IValue(true));
  }
  set_norm(attention, q, k);
  attention->replaceInput(0, q->input(0));
  attention->replaceInput(1, k->input(0));
  q->destroy();
  k->destroy();
  return kMade;
}

}  // namespace

FusionResult fuse_attention_prologue(FusionGraph& graph) {
  FusionResult result;
  for (Node* attention : graph.nodes("vqt::attention")) {
    result.add(attention->owningBlock(), fuse(graph, attention));
  }
  return result;
}

}  // namespace vqt
