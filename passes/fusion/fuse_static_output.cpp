// linear(quantize(linear(x)))  =>  the first linear stores the quantized input of the second one
#include "passes/fusion/fusions.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_dtype_use(const Use& use) { return use.user->kind() == prim::dtype; }

class StaticOutputFuser {
 public:
  explicit StaticOutputFuser(FusionGraph& graph) : graph_(graph) {}

  bool fuse(Node* linear) {
    static const Symbol kQuantize = Symbol::fromQualString("vqt::quantize_activation");
    if (!is_default(linear, "residual") || !is_default(linear, "y_scale")) return false;
    Node* reader = nullptr;
    std::vector<Node*> dtype_uses;
    for (const Use& use : linear->output()->uses()) {
      if (is_dtype_use(use)) {
        dtype_uses.push_back(use.user);
      } else if (reader != nullptr || use.offset != 0) {
        return false;
      } else {
        reader = use.user;
      }
    }
    if (reader == nullptr || !in_same_block(linear, reader)) return false;
    const bool quantizer = reader->kind() == kQuantize;
    if (!quantizer && !graph_.is_integer_linear(reader)) return false;
    const auto activation = activation_arguments(reader);
    if (!activation || activation->activation != "static") return false;

    Value* dtype = result_dtype(linear);
    set_argument(linear, "y_scale", activation->scale);
    set_argument(linear, "y_zero_point", activation->zero_point);
    set_argument(linear, "y_symmetric", activation->symmetric);
    if (!is_default(linear, "dtype")) set_argument(linear, "dtype", c10::IValue());
    for (Node* dtype_use : dtype_uses) dtype_use->output()->replaceAllUsesWith(dtype);
    if (quantizer) {
      reader->output()->replaceAllUsesWith(linear->output());
      reader->destroy();
    } else {
      reset_activation_arguments(reader);
      set_argument(reader, "dtype", dtype);
    }
    for (Node* dtype_use : dtype_uses) dtype_use->destroy();
    return true;
  }

 private:
  // The dtype that the linear's result would have in floating point.
  Value* result_dtype(Node* linear) {
    const WithInsertPoint guard(linear);
    if (is_quantized_activation(linear->input(0))) {
      Value* dtype = argument(linear, "dtype");
      return is_none(dtype) ? graph_.graph().insertConstant(static_cast<int64_t>(at::kFloat)) : dtype;
    }
    return graph_.graph().insert(prim::dtype, {linear->input(0)});
  }

  FusionGraph& graph_;
};

}  // namespace

int64_t fuse_static_output(FusionGraph& graph) {
  int64_t made = 0;
  StaticOutputFuser fuser(graph);
  for (Node* linear : graph.integer_linears()) made += fuser.fuse(linear) ? 1 : 0;
  return made;
}

}  // namespace vqt
