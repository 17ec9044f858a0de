// quantize(layer_norm(x))  =>  layer_norm_quantize(x); a linear that quantizes its input counts as quantize
#include "passes/fusion/fusions.h"

#include <algorithm>

#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

// Over the last dimension only; layer_norm itself checks that it has `columns` elements.
bool is_over_the_last(const Node* norm, int64_t columns) {
  const auto sizes = normalized_sizes(norm);
  return sizes.size() == 1 && sizes[0].value_or(columns) == columns;
}

class LayerNormFuser {
 public:
  explicit LayerNormFuser(FusionGraph& graph) : graph_(graph) {}

  Outcome fuse(Node* norm) {
    const std::vector<Use> uses = value_uses(norm->output());
    if (std::none_of(uses.begin(), uses.end(), reads_as_input)) return kNoPattern;
    if (uses.size() != 1) return kReadByOthers;
    Node* reader = uses[0].user;
    const bool quantizer = is_quantizer(reader);
    if (!quantizer && !graph_.is_integer_linear(reader)) return kNotInteger;
    if (!in_same_block(norm, reader)) return kOtherBlock;
    const auto activation = activation_arguments(reader);
    const auto columns = columns_of(reader);
    if (!activation || !columns) return kNotInteger;
    if (!is_over_the_last(norm, *columns)) return "it is not over the last dimension";
    Value* x = norm->input(0);
    for (const Use& use : norm->output()->uses()) {  // uses of the shape read x then, and later
      if (use.user != reader && graph_.written_between(norm, use.user, {x})) return kWritten;
    }

    Value* quantized =
        insert_quantizer(norm, "vqt::layer_norm_quantize",
                         {x, norm->input(2), norm->input(3), NamedValue(norm->input(4))}, *activation);
    if (quantizer) {
      reader->output()->replaceAllUsesWith(quantized);
      reader->destroy();
    } else {
      const WithInsertPoint guard(norm);
      Value* dtype = graph_.graph().insert(prim::dtype, {x});
      reader->replaceInput(0, quantized);
      reset_activation_arguments(reader);
      set_argument(reader, "dtype", dtype);
    }
    replace_metadata_uses(norm->output(), x);
    norm->destroy();
    return kMade;
  }

 private:
  static bool is_quantizer(const Node* node) {
    static const Symbol kQuantize = Symbol::fromQualString("vqt::quantize_activation");
    return node->kind() == kQuantize;
  }
  static bool reads_as_input(const Use& use) {
    return use.offset == 0 && (is_any_linear(use.user) || is_quantizer(use.user));
  }

  // Those of the linears that read it.
  std::optional<int64_t> columns_of(const Node* reader) const {
    if (graph_.is_integer_linear(reader)) return graph_.columns(reader);
    for (const Use& use : reader->output()->uses()) {
      if (graph_.is_integer_linear(use.user)) return graph_.columns(use.user);
    }
    return std::nullopt;
  }

  FusionGraph& graph_;
};

}  // namespace

FusionResult fuse_layer_norm(FusionGraph& graph) {
  FusionResult result;
  LayerNormFuser fuser(graph);
  for (Node* norm : graph.nodes("aten::layer_norm")) {
    const Block* block = norm->owningBlock();
    result.add(block, fuser.fuse(norm));
  }
  return result;
}

}  // namespace vqt
