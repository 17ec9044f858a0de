// Clones the object graph, then each instance's constants, methods, properties and hooks onto its new type.
#include "passes/ir/clone_module.h"

#include <torch/csrc/jit/api/compilation_unit.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "passes/ir/model_graph.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_module_type(const c10::TypePtr& type) {
  const auto* class_type = type->castRaw<c10::ClassType>();
  return class_type != nullptr && class_type->is_module();
}

class Cloner {
 public:
  explicit Cloner(Buffers buffers) : buffers_(buffers) {}

  void note_parameters(const Module& root) {
    for (const at::Tensor& parameter : root.parameters()) {
      if (parameter.defined() && parameter.has_storage())
        parameter_storage_.insert(parameter.storage().unsafeGetStorageImpl());
    }
  }

  Module clone(const Module& original) {
    const auto found = modules_.find(original._ivalue().get());
    if (found != modules_.end()) return found->second;
    const c10::ClassTypePtr type = original.type();
    Module copy(*type->name(), original._ivalue()->compilation_unit(), /*shouldMangle=*/true);
    const c10::ClassTypePtr own = copy.type();
    own_types_.insert(own.get());
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const c10::IValue value = original._ivalue()->getSlot(slot);
      const c10::TypePtr declared = type->getAttribute(slot);
      c10::IValue copied;
      c10::TypePtr attribute_type = declared;
      if (value.isModule()) {
        const Module child = clone(value.toModule());
        copied = child._ivalue();
        if (is_module_type(declared)) attribute_type = child.type();  // an interface stays what it is
      } else {
        copied = copy_value(value, type->is_parameter(slot));
      }
      const size_t at = own->addAttribute(type->getAttributeName(slot), attribute_type,
                                          type->is_parameter(slot), type->is_buffer(slot));
      copy._ivalue()->setSlot(at, std::move(copied));
    }
    for (size_t i = 0; i < type->numConstants(); ++i)
      own->addConstant(type->getConstantName(i), type->getConstant(i));
    clone_methods(type, own);
    modules_.emplace(original._ivalue().get(), copy);
    return copy;
  }

 private:
  at::Tensor copy_tensor(const at::Tensor& tensor, bool is_parameter) {
    if (!tensor.defined()) return tensor;
    at::Tensor& copy = tensors_[tensor.unsafeGetTensorImpl()];  // tied tensors stay tied
    if (!copy.defined()) {
      const bool shared =
          is_parameter || buffers_ == Buffers::kShare ||
          (tensor.has_storage() && parameter_storage_.count(tensor.storage().unsafeGetStorageImpl()) != 0);
      copy = shared ? tensor.detach() : tensor.detach().clone();
    }
    return copy;
  }

  c10::IValue copy_value(const c10::IValue& value, bool is_parameter = false) {
    if (value.isTensor()) return copy_tensor(value.toTensor(), is_parameter);
    if (value.isList()) {
      const c10::List<c10::IValue> list = value.toList();
      c10::impl::GenericList copy(list.elementType());
      for (const c10::IValue& item : list) copy.push_back(copy_value(item));
      return copy;
    }
    if (value.isGenericDict()) {
      const auto dict = value.toGenericDict();
      c10::impl::GenericDict copy(dict.keyType(), dict.valueType());
      for (const auto& item : dict) copy.insert(copy_value(item.key()), copy_value(item.value()));
      return copy;
    }
    return value;  // numbers, strings, tuples of them, script classes, torchbind objects
  }

  void clone_methods(const c10::ClassTypePtr& type, const c10::ClassTypePtr& own) {
    std::unordered_map<const Function*, Function*> copies;
    const auto copy_function = [&](Function* function) -> Function* {
      GraphFunction* graph_function = tryToGraphFunction(*function);
      if (graph_function == nullptr) return function;
      function->ensure_defined();
      const std::shared_ptr<Graph> graph = graph_function->graph()->copy();
      inline_hooks(*graph);
      retype(*graph, type, own, function->name());
      Function* copy =
          own->compilation_unit()->create_function(c10::QualifiedName(*own->name(), function->name()), graph);
      copy->setSchema(function->getSchema().cloneWithRemappedTypes(
          [&](c10::TypePtr t) -> c10::TypePtr { return t == type ? c10::TypePtr(own) : t; }));
      copies.emplace(function, copy);
      return copy;
    };
    for (Function* method : type->methods()) own->addMethod(copy_function(method));
    for (Function* hook : type->getForwardPreHooks()) own->addForwardPreHook(copy_function(hook));
    for (Function* hook : type->getForwardHooks()) own->addForwardHook(copy_function(hook));
    for (const c10::ClassType::Property& property : type->properties()) {
      const auto of = [&](Function* function) {
        const auto copy = copies.find(function);
        return copy == copies.end() ? function : copy->second;
      };
      own->addProperty(property.name, of(property.getter), property.setter ? of(property.setter) : nullptr);
    }
  }

  // A call with hooks is a call of free functions that get the module as an argument; their graph is typed
  // for one type.
  static void inline_hooks(Graph& graph) {
    bool changed = true;
    while (changed) {
      changed = false;
      std::vector<Node*> calls;
      for_each_node(graph.block(), [&](Node* node) {
        if (node->kind() != prim::CallFunction) return;
        for (const Value* input : node->inputs()) {
          if (is_module_type(input->type())) return calls.push_back(node);
        }
      });
      for (Node* call : calls) {
        const auto type = call->input(0)->type()->cast<c10::FunctionType>();
        GraphFunction* function = type ? tryToGraphFunction(*type->function()) : nullptr;
        if (function == nullptr) continue;
        function->ensure_defined();
        call->removeInput(0);
        inlineCallTo(call, function, function->graph().get());
        changed = true;
      }
    }
  }

  // Types of module values follow from %self through prim::GetAttr.
  void retype(Graph& graph, const c10::ClassTypePtr& type, const c10::ClassTypePtr& own,
              const std::string& method) {
    for (Value* input : graph.inputs()) {
      if (input->type() == type) input->setType(own);
    }
    retype_block(graph.block(), *type, method);
  }

  void retype_block(Block* block, const c10::ClassType& type, const std::string& method) {
    for (Value* input : block->inputs()) check(input, type, method);
    for (Node* node : block->nodes()) {
      if (node->kind() == prim::GetAttr && is_module_type(node->input(0)->type())) {
        const c10::TypePtr attribute =
            node->input(0)->type()->expectRef<c10::ClassType>().getAttribute(node->s(attr::name));
        if (is_module_type(attribute)) node->output()->setType(attribute);
      }
      for (Value* output : node->outputs()) check(output, type, method);
      if (node->hasAttribute(attr::Subgraph)) {  // prim::fork: its inputs are the node's
        Graph& subgraph = *node->g(attr::Subgraph);
        for (size_t i = 0; i < subgraph.inputs().size() && i < node->inputs().size(); ++i) {
          if (is_module_type(node->input(i)->type())) subgraph.inputs()[i]->setType(node->input(i)->type());
        }
        retype_block(subgraph.block(), type, method);
      }
      for (Block* inner : node->blocks()) retype_block(inner, type, method);
    }
  }

  void check(const Value* value, const c10::ClassType& type, const std::string& method) const {
    if (!is_module_type(value->type()) || own_types_.count(value->type().get())) return;
    throw Error(
        "vqt::quantize: " + type.name()->qualifiedName() + "." + method + ": a submodule of type " +
        value->type()->str() + " is passed on as a value by " + value->node()->kind().toQualString() +
        ", so that its instance is not known before run time; call the submodule where it is used instead");
  }

  const Buffers buffers_;
  std::unordered_map<const c10::ivalue::Object*, Module> modules_;
  std::unordered_map<const at::TensorImpl*, at::Tensor> tensors_;
  std::unordered_set<const c10::StorageImpl*> parameter_storage_;
  std::unordered_set<const c10::Type*> own_types_;
};

}  // namespace

Module clone_with_own_types(const Module& module, Buffers buffers) {
  Cloner cloner(buffers);
  cloner.note_parameters(module);
  Module copy = cloner.clone(module);
  copy.eval();
  return copy;
}

}  // namespace vqt
