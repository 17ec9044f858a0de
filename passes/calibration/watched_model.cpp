// vqt_internal::watch returns y and passes its arguments to the watchers of this thread. No graph outside of this
// file has it.
#include "passes/calibration/watched_model.h"

#include <ATen/core/grad_mode.h>
#include <torch/library.h>

#include "passes/ir/clone_module.h"
#include "vqt/error.h"
#include "vqt/error_text.h"

namespace vqt {
namespace {

using namespace torch::jit;

// The interpreter runs a forward pass on the thread that calls it.
thread_local const std::vector<WatchedModel::Watcher>* watchers_here = nullptr;

at::Tensor watch(const c10::IValue& inputs, const at::Tensor& y, int64_t watcher) {
  if (watchers_here != nullptr) watchers_here->at(watcher)(inputs.toTupleRef().elements().vec(), y);
  return y;
}

void watch_boxed(const c10::OperatorHandle&, Stack* stack) {
  const int64_t watcher = pop(*stack).toInt();
  const at::Tensor y = pop(*stack).toTensor();
  const c10::IValue inputs = pop(*stack);
  push(*stack, watch(inputs, y, watcher));
}

TORCH_LIBRARY_FRAGMENT(vqt_internal, m) {
  m.def("watch(Any inputs, Tensor y, int watcher) -> Tensor");
  m.impl("watch", c10::DispatchKey::CompositeExplicitAutograd,
         torch::CppFunction::makeFromBoxedFunction<&watch_boxed>());
}

}  // namespace

WatchedModel::WatchedModel(const Module& model) : copy_(clone_with_own_types(model)), graphs_(copy_) {}

void WatchedModel::watch(Node* node, const std::vector<Value*>& inputs, Watcher watcher) {
  static const Symbol kWatch = Symbol::fromQualString("vqt_internal::watch");
  Graph& graph = *node->owningGraph();
  const WithInsertPoint guard(node->next());
  Value* all = graph.insertNode(graph.createTuple(inputs))->output();
  Value* result = graph.insert(kWatch, {all, node->output(), static_cast<int64_t>(watchers_.size())});
  result->copyMetadata(node->output());
  node->output()->replaceAllUsesAfterNodeWith(result->node(), result);
  watchers_.push_back(std::move(watcher));
}

void WatchedModel::run(std::vector<c10::IValue> arguments) {
  struct Guard {
    explicit Guard(const std::vector<Watcher>* watchers) { watchers_here = watchers; }
    ~Guard() { watchers_here = nullptr; }
  } guard(&watchers_);
  const at::NoGradGuard no_grad;
  try {
    copy_.forward(std::move(arguments));
  } catch (const std::exception& e) {
    throw Error("vqt::quantize: inputs: the model's forward fails on them: " + error_text(e));
  }
}

}  // namespace vqt
