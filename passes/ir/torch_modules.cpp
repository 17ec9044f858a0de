#include "passes/ir/torch_modules.h"

#include "passes/ir/simplify_inlined.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_in(const c10::Type& type, const std::string& file) {
  const auto* class_type = type.castRaw<c10::ClassType>();
  if (class_type == nullptr || !class_type->name()) return false;
  return (class_type->name()->prefix() + ".").rfind("__torch__.torch.nn.modules." + file, 0) == 0;
}

bool has_quantized_linear(const MethodGraph& method) {
  bool found = false;
  for_each_node(method.graph->block(), [&](Node* node) { found = found || is_quantized_linear(node); });
  return found;
}

}  // namespace

bool is_torch_attention(const c10::Type& type) {
  return is_in(type, "activation.") && type.castRaw<c10::ClassType>()->name()->name() == "MultiheadAttention";
}

bool is_torch_helper(const Function& function) {
  return function.qualname().qualifiedName().rfind("__torch__.torch.nn.functional._", 0) == 0 &&
         function.name().front() == '_';
}

std::optional<c10::IValue> known_attribute(const ConstantValues& constants, const Value* get_attr) {
  const Node* node = get_attr->node();
  const bool training = node->s(attr::name) == "training";
  if (!training && !is_in(*node->input(0)->type(), "")) return std::nullopt;
  const bool optional = get_attr->type()->kind() == c10::TypeKind::OptionalType ||
                        get_attr->type()->kind() == c10::TypeKind::NoneType;
  const c10::IValue value = constants.of(get_attr);
  if (training && !(value.isBool() && !value.toBool())) return std::nullopt;
  const bool plain = value.isBool() || value.isInt() || value.isDouble() || (value.isNone() && optional);
  return plain ? std::optional<c10::IValue>(value) : std::nullopt;
}

void simplify_attention(const ModelGraphs& model) {
  const ConstantValues constants(model);
  for (const MethodGraph& method : model.methods()) {
    if (!is_torch_attention(*model.instances()[method.instance].module.type())) continue;
    if (!has_quantized_linear(method)) continue;
    simplify_inlined(method.graph, [&](const Value* value) { return known_attribute(constants, value); });
  }
}

}  // namespace vqt
