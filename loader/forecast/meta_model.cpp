#include "loader/forecast/meta_model.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_strided.h>
#include <c10/core/Allocator.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/inliner.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <set>

#include "loader/forecast/meta_kernels.h"
#include "vqt/error.h"
#include "vqt/error_text.h"

namespace vqt {
namespace {

using namespace torch::jit;

// Bytes of meta tensors that are alive now and were at once.
class CountingAllocator final : public c10::Allocator {
 public:
  c10::DataPtr allocate(size_t bytes) override {
    alive += static_cast<int64_t>(bytes);
    most = std::max(most, alive);
    // No memory: the context is the number of bytes. Without a context no deleter is called.
    return {nullptr, reinterpret_cast<void*>(bytes), &free_bytes, c10::Device(c10::kMeta)};
  }
  void copy_data(void*, const void*, size_t) const override {}

  static inline int64_t alive = 0, most = 0;

 private:
  static void free_bytes(void* bytes) { alive -= static_cast<int64_t>(reinterpret_cast<uintptr_t>(bytes)); }
};

void count_meta_tensors() {
  static CountingAllocator allocator;
  constexpr uint8_t kAboveTorchs = 1;
  if (c10::GetAllocator(c10::kMeta) != &allocator) c10::SetAllocator(c10::kMeta, &allocator, kAboveTorchs);
}

at::Tensor on_meta(const at::Tensor& t) {
  return at::empty_strided(t.sizes(), t.strides(), t.options().device(at::kMeta).requires_grad(false));
}

// Sums what is not counted yet.
struct WeightBytes {
  std::set<const void*> seen;  // storages
  int64_t sum = 0;
  void add(const at::Tensor& t) {
    if (t.scalar_type() == at::kByte ||
        seen.insert(t.unsafeGetTensorImpl()->storage().unsafeGetStorageImpl()).second)
      sum += static_cast<int64_t>(t.nbytes());
  }
};

void move_attributes(const Module& model, WeightBytes& bytes) {
  std::set<const c10::ivalue::Object*> seen;  // a module may be in two places
  for (const Module& part : model.modules()) {
    if (!seen.insert(part._ivalue().get()).second) continue;
    for (size_t slot = 0; slot < part.type()->numAttributes(); ++slot) {
      const c10::IValue value = part._ivalue()->getSlot(slot);
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      bytes.add(value.toTensor());
      part._ivalue()->setSlot(slot, on_meta(value.toTensor()));
    }
  }
}

bool is_none(const Value* value) { return value->mustBeNone(); }

// Makes a tensor of numbers on a device that is not said.
bool is_factory(const Node* node, size_t device) {
  const auto is_tensor = [](const Value* v) { return v->type()->isSubtypeOf(*c10::TensorType::get()); };
  return is_none(node->input(device)) &&
         std::none_of(node->inputs().begin(), node->inputs().end(), is_tensor) &&
         std::any_of(node->outputs().begin(), node->outputs().end(), is_tensor);
}

// Constants, and devices that the graph names or leaves to torch.
void move_graph(Block* block, WeightBytes& bytes) {
  for (Node* node : block->nodes()) {
    for (Block* inner : node->blocks()) move_graph(inner, bytes);
    if (node->kind() == prim::Constant && node->hasAttribute(attr::value)) {
      if (node->kindOf(attr::value) == AttributeKind::t) {
        const at::Tensor t = node->t(attr::value);
        if (t.dim() > 0) node->t_(attr::value, on_meta(t));  // numbers mix with any device
        bytes.add(t);
      } else if (node->output()->type()->kind() == c10::TypeKind::DeviceObjType) {
        node->s_(attr::value, "meta");
      }
      continue;
    }
    const FunctionSchema* schema = node->maybeSchema();
    const auto device = schema == nullptr ? std::nullopt : schema->argumentIndexWithName("device");
    if (!device || !is_factory(node, static_cast<size_t>(*device))) continue;
    const WithInsertPoint guard(node);
    node->replaceInput(static_cast<size_t>(*device),
                       block->owningGraph()->insertConstant(at::Device(at::kMeta)));
  }
}

// Profiling and fusing cost more than a pass that computes nothing.
struct PlainExecution {
  bool before = getGraphExecutorOptimize();
  PlainExecution() { setGraphExecutorOptimize(false); }
  ~PlainExecution() { setGraphExecutorOptimize(before); }
};

}  // namespace

MetaModel::MetaModel(const Module& model) : model_(model.clone(/*inplace=*/true)) {
  register_meta_kernels();
  count_meta_tensors();
  WeightBytes bytes;
  move_attributes(model_, bytes);
  const std::shared_ptr<Graph> graph = model_.get_method("forward").graph();
  Inline(*graph);
  move_graph(graph->block(), bytes);
  weight_bytes_ = bytes.sum;
}

ForwardNeeds MetaModel::forward(const std::vector<int64_t>& sizes) const {
  const at::NoGradGuard no_grad;
  const PlainExecution plain;
  Module model = model_;
  ForwardNeeds needs;
  const int64_t before = CountingAllocator::most = CountingAllocator::alive;
  try {
    const OpRecorder recorder(needs.ops);
    model.forward({at::empty(sizes, at::TensorOptions(at::kFloat).device(at::kMeta))});
  } catch (const std::exception& e) {
    const std::string text = error_text(e);
    throw Error(text.substr(0, text.find('\n')));
  }
  needs.bytes = CountingAllocator::most - before;
  return needs;
}

}  // namespace vqt
