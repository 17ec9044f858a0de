// linear(x), linear(x), ...  =>  q = quantize_activation(x); linear(q), linear(q), ...
#include "passes/fusion/fusions.h"

#include <algorithm>

namespace vqt {
namespace {

using namespace torch::jit;

struct Readers {
  ActivationArguments activation;
  std::vector<Node*> linears;
};

// Integer linears that read x, by block and arguments. The linears of a nested block run under a condition or
// several times, so they are not shared with those outside.
std::vector<Readers> readers_of(const FusionGraph& graph, const Value* x) {
  std::vector<Readers> all;
  for (const Use& use : x->uses()) {
    if (use.offset != 0 || !graph.is_integer_linear(use.user)) continue;
    const auto activation = activation_arguments(use.user);
    if (!activation) continue;
    const auto same = std::find_if(all.begin(), all.end(), [&](const Readers& r) {
      return r.activation == *activation && in_same_block(r.linears[0], use.user);
    });
    if (same == all.end()) {
      all.push_back({*activation, {use.user}});
    } else {
      same->linears.push_back(use.user);
    }
  }
  return all;
}

Outcome share(const FusionGraph& graph, Value* x, const Readers& readers) {
  const auto [at_first, at_last] =
      std::minmax_element(readers.linears.begin(), readers.linears.end(),
                          [](const Node* a, const Node* b) { return a != b && a->isBefore(b); });
  Node* first = *at_first;
  if (graph.written_between(first, *at_last, {x})) return kWritten;
  Value* quantized = insert_quantizer(first, "vqt::quantize_activation", {x}, readers.activation);
  const WithInsertPoint guard(first);
  Value* dtype = first->owningGraph()->insert(prim::dtype, {x});
  for (Node* linear : readers.linears) {
    linear->replaceInput(0, quantized);
    reset_activation_arguments(linear);
    set_argument(linear, "dtype", dtype);
  }
  return kMade;
}

// Why nothing is shared among several readers that are alone each in their block or with their arguments.
Outcome why_alone(const std::vector<Readers>& all) {
  const bool same = std::all_of(all.begin(), all.end(),
                                [&](const Readers& r) { return r.activation == all[0].activation; });
  return same ? kOtherBlock : "its linear layers quantize it differently";
}

void collect(Block* block, std::vector<Value*>& values) {
  for (Value* input : block->inputs()) values.push_back(input);
  for (Node* node : block->nodes()) {
    for (Value* output : node->outputs()) values.push_back(output);
    for (Block* inner : node->blocks()) collect(inner, values);
  }
}

}  // namespace

FusionResult fuse_shared_input(FusionGraph& graph) {
  std::vector<Value*> values;
  collect(graph.graph().block(), values);
  FusionResult result;
  for (Value* x : values) {
    if (x->uses().size() < 2 || x->type()->kind() != c10::TypeKind::TensorType) continue;
    if (is_quantized_activation(x)) continue;
    const std::vector<Readers> all = readers_of(graph, x);
    bool alone = all.size() > 1;
    for (const Readers& readers : all) {
      if (readers.linears.size() < 2) continue;
      alone = false;
      result.add(readers.linears[0]->owningBlock(), share(graph, x, readers));
    }
    if (alone) result.add(x->node()->owningBlock(), why_alone(all));
  }
  return result;
}

}  // namespace vqt
