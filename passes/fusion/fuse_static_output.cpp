// linear(quantize(linear(x)))  =>  the first linear stores the quantized input of the second one
#include "passes/fusion/fusions.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_dtype_use(const Use& use) { return use.user->kind() == prim::dtype; }

class StaticOutputFuser {
 public:
  explicit StaticOutputFuser(FusionGraph& graph) : graph_(graph) {}

  Outcome fuse(Node* linear) {
    Node* reader = nullptr;  // one that is static
    int64_t others = 0;
    std::vector<Node*> dtype_uses;
    for (const Use& use : linear->output()->uses()) {
      if (is_dtype_use(use)) {
        dtype_uses.push_back(use.user);
      } else if (reader == nullptr && is_static(use)) {
        reader = use.user;
      } else {
        ++others;
      }
    }
    if (reader == nullptr || !is_default(linear, "y_scale")) return kNoPattern;
    if (others > 0) return kReadByOthers;
    if (!is_default(linear, "residual")) return "the sum with a residual is not stored as u8";
    if (!in_same_block(linear, reader)) return kOtherBlock;
    const bool quantizer = reader->kind() == kQuantize;
    const auto activation = activation_arguments(reader);

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
    return kMade;
  }

 private:
  // Is the value quantized here, with a range known before?
  bool is_static(const Use& use) const {
    if (use.offset != 0 || (use.user->kind() != kQuantize && !graph_.is_integer_linear(use.user)))
      return false;
    const auto activation = activation_arguments(use.user);
    return activation && activation->activation == "static";
  }

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
  const Symbol kQuantize = Symbol::fromQualString("vqt::quantize_activation");
};

}  // namespace

FusionResult fuse_static_output(FusionGraph& graph) {
  FusionResult result;
  StaticOutputFuser fuser(graph);
  for (Node* linear : graph.integer_linears()) result.add(linear->owningBlock(), fuser.fuse(linear));
  return result;
}

}  // namespace vqt
