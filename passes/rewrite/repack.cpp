// Repacks the weights of a quantized model for this machine's kernels; their values stay the same.
#include <ATen/core/grad_mode.h>
#include <torch/csrc/jit/api/function_impl.h>

#include <optional>
#include <set>
#include <unordered_map>

#include "passes/ir/model_graph.h"
#include "vqt/ops.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

class Repacker {
 public:
  // The repacked tensor, or nothing where it is not a packed weight or has the right layout.
  std::optional<at::Tensor> repack(const at::Tensor& tensor) {
    if (!tensor.defined() || tensor.scalar_type() != at::kByte || tensor.dim() != 2) return std::nullopt;
    const auto known = done_.find(tensor.unsafeGetTensorImpl());
    if (known != done_.end()) return known->second;
    std::optional<at::Tensor>& result = done_[tensor.unsafeGetTensorImpl()];
    keep_.push_back(tensor);
    PackedInfo info;
    try {
      info = packed_info(tensor);
    } catch (const c10::Error&) {
      return result;  // a byte buffer of the user's
    }
    if (info.groups_cross_rows) return result;
    const Scheme& s = info.scheme;
    const std::string granularity = to_string(s.granularity);
    const auto [weight, scale, zero] =
        unpack_weight(tensor, info.k, s.bits, s.symmetric, granularity, s.group_size);
    const at::Tensor fresh =
        pack_weight(weight, scale, zero, s.bits, s.symmetric, granularity, s.group_size, info.k, "auto");
    if (packed_info(fresh).layout == info.layout) return result;
    set_source_bytes(fresh, info.source_bytes);
    ++changed_;
    return result = fresh;
  }

  int64_t changed() const { return changed_; }

 private:
  std::unordered_map<const at::TensorImpl*, std::optional<at::Tensor>> done_;  // tied weights stay tied
  std::vector<at::Tensor> keep_;                                               // so that no address is reused
  int64_t changed_ = 0;
};

}  // namespace

int64_t repack(Module& model) {
  const at::NoGradGuard no_grad;
  Repacker repacker;
  std::set<const c10::Type*> types;
  for (const Module& module : model.modules()) {
    const c10::ClassTypePtr type = module.type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const c10::IValue value = module._ivalue()->getSlot(slot);
      if (!value.isTensor()) continue;
      if (const auto fresh = repacker.repack(value.toTensor())) module._ivalue()->setSlot(slot, *fresh);
    }
    if (!types.insert(type.get()).second) continue;
    for (Function* method : type->methods()) {  // the weights of frozen models are constants
      GraphFunction* function = tryToGraphFunction(*method);
      if (function == nullptr) continue;
      method->ensure_defined();
      for_each_node(function->graph()->block(), [&](Node* node) {
        if (node->kind() != prim::Constant || !node->hasAttribute(attr::value) ||
            node->kindOf(attr::value) != AttributeKind::t) {
          return;
        }
        if (const auto fresh = repacker.repack(node->t(attr::value))) node->t_(attr::value, *fresh);
      });
    }
  }
  return repacker.changed();
}

}  // namespace vqt
