// Children before parents: once the children of two equal instances have one type, their parents' graphs are equal.
#include "passes/ir/share_types.h"

#include <ATen/ops/equal.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/ir/ir.h>

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace vqt {
namespace {

using namespace torch::jit;

// The name that the class had before types were made for its instances.
std::string original_name(const c10::ClassType& type) {
  std::string name;
  for (const std::string& atom : type.name()->atoms()) {
    if (atom.rfind("___torch_mangle_", 0) != 0) name += "." + atom;
  }
  return name;
}

bool equal_tensors(const at::Tensor& a, const at::Tensor& b) {
  if (a.is_same(b)) return true;
  return a.defined() && b.defined() && a.layout() == at::kStrided && b.layout() == at::kStrided &&
         a.scalar_type() == b.scalar_type() && a.device() == b.device() && a.strides() == b.strides() &&
         a.sizes() == b.sizes() && !a.is_quantized() && !b.is_quantized() && at::equal(a, b);
}

bool equal_constants(const c10::IValue& a, const c10::IValue& b) {
  return a.isTensor() && b.isTensor() ? equal_tensors(a.toTensor(), b.toTensor()) : a.is(b) || a == b;
}

// Compares two graphs, values by their place.
class GraphComparison {
 public:
  GraphComparison(const c10::ClassType& a, const c10::ClassType& b) : a_(a), b_(b) {}

  bool equal(const Graph& a, const Graph& b) { return equal(a.block(), b.block()); }

 private:
  bool equal(const Block* a, const Block* b) {
    if (!equal_results(a->inputs(), b->inputs())) return false;
    auto of_b = b->nodes().begin();
    for (const Node* of_a : a->nodes()) {
      if (of_b == b->nodes().end() || !equal(of_a, *of_b)) return false;
      ++of_b;
    }
    return of_b == b->nodes().end() && equal_uses(a->outputs(), b->outputs());
  }

  bool equal(const Node* a, const Node* b) {
    if (a->kind() != b->kind() || a->blocks().size() != b->blocks().size()) return false;
    if (!equal_uses(a->inputs(), b->inputs())) return false;
    for (size_t i = 0; i < a->blocks().size(); ++i) {
      if (!equal(a->blocks()[i], b->blocks()[i])) return false;
    }
    if (a->numAttributes() != b->numAttributes()) return false;
    for (const Symbol name : a->attributeNames()) {
      if (!b->hasAttribute(name) || !equal_attribute(*a, *b, name)) return false;
    }
    return equal_results(a->outputs(), b->outputs());
  }

  bool equal_attribute(const Node& a, const Node& b, Symbol name) {
    if (a.kindOf(name) != b.kindOf(name)) return false;
    switch (a.kindOf(name)) {
      case AttributeKind::f:
        return a.f(name) == b.f(name);
      case AttributeKind::fs:
        return a.fs(name) == b.fs(name);
      case AttributeKind::c:
        return a.c(name) == b.c(name);
      case AttributeKind::cs:
        return a.cs(name) == b.cs(name);
      case AttributeKind::i:
        return a.i(name) == b.i(name);
      case AttributeKind::is:
        return a.is(name) == b.is(name);
      case AttributeKind::s:
        return a.s(name) == b.s(name);
      case AttributeKind::ss:
        return a.ss(name) == b.ss(name);
      case AttributeKind::t:
        return equal_tensors(a.t(name), b.t(name));
      case AttributeKind::g:
        return equal(*a.g(name), *b.g(name));
      case AttributeKind::ty:
        return equal_types(a.ty(name), b.ty(name));
      case AttributeKind::ival:
        return a.ival(name).is(b.ival(name));
      default:
        return false;  // kinds that TorchScript's compiler does not make
    }
  }

  bool equal_results(at::ArrayRef<const Value*> a, at::ArrayRef<const Value*> b) {
    if (a.size() != b.size()) return false;
    for (size_t i = 0; i < a.size(); ++i) {
      if (!equal_types(a[i]->type(), b[i]->type())) return false;
      place_[a[i]] = b[i];
    }
    return true;
  }

  bool equal_uses(at::ArrayRef<const Value*> a, at::ArrayRef<const Value*> b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](const Value* of_a, const Value* of_b) {
      const auto found = place_.find(of_a);
      return found != place_.end() && found->second == of_b;
    });
  }

  bool equal_types(const c10::TypePtr& a, const c10::TypePtr& b) const {
    return (a.get() == &a_ && b.get() == &b_) || *a == *b;
  }

  const c10::ClassType &a_, &b_;
  std::unordered_map<const Value*, const Value*> place_;  // of a's values in b
};

class TypeComparison {
 public:
  TypeComparison(const c10::ClassType& a, const c10::ClassType& b) : a_(a), b_(b) {}

  bool equal() const {
    return equal_attributes() && equal_constant_fields() && equal_functions(a_.methods(), b_.methods()) &&
           equal_functions(a_.getForwardPreHooks(), b_.getForwardPreHooks()) &&
           equal_functions(a_.getForwardHooks(), b_.getForwardHooks()) && equal_properties();
  }

 private:
  bool equal_attributes() const {
    if (a_.numAttributes() != b_.numAttributes()) return false;
    for (size_t i = 0; i < a_.numAttributes(); ++i) {
      if (a_.getAttributeName(i) != b_.getAttributeName(i) || *a_.getAttribute(i) != *b_.getAttribute(i) ||
          a_.is_parameter(i) != b_.is_parameter(i) || a_.is_buffer(i) != b_.is_buffer(i)) {
        return false;
      }
    }
    return true;
  }

  bool equal_constant_fields() const {
    if (a_.numConstants() != b_.numConstants()) return false;
    for (size_t i = 0; i < a_.numConstants(); ++i) {
      if (a_.getConstantName(i) != b_.getConstantName(i) ||
          !equal_constants(a_.getConstant(i), b_.getConstant(i)))
        return false;
    }
    return true;
  }

  bool equal_functions(const std::vector<Function*>& a, const std::vector<Function*>& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [&](Function* of_a, Function* of_b) {
      if (of_a == of_b) return true;
      GraphFunction *graph_a = tryToGraphFunction(*of_a), *graph_b = tryToGraphFunction(*of_b);
      return graph_a != nullptr && graph_b != nullptr && of_a->name() == of_b->name() &&
             equal_defaults(of_a->getSchema(), of_b->getSchema()) &&
             GraphComparison(a_, b_).equal(*graph_a->graph(), *graph_b->graph());
    });
  }

  static bool equal_defaults(const FunctionSchema& a, const FunctionSchema& b) {
    const auto &of_a = a.arguments(), &of_b = b.arguments();
    return std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), [](const auto& x, const auto& y) {
      return x.name() == y.name() && x.kwarg_only() == y.kwarg_only() &&
             x.default_value().has_value() == y.default_value().has_value() &&
             (!x.default_value() || equal_constants(*x.default_value(), *y.default_value()));
    });
  }

  bool equal_properties() const {
    const auto &of_a = a_.properties(), &of_b = b_.properties();
    return std::equal(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), [](const auto& x, const auto& y) {
      return x.name == y.name && x.getter->name() == y.getter->name() &&
             (x.setter == nullptr) == (y.setter == nullptr);
    });
  }

  const c10::ClassType &a_, &b_;
};

class Sharer {
 public:
  // The object that stands for this instance from now on: itself, or one of the shared type.
  c10::intrusive_ptr<c10::ivalue::Object> share(const c10::intrusive_ptr<c10::ivalue::Object>& object) {
    const auto known = objects_.find(object.get());
    if (known != objects_.end()) return known->second;
    const c10::ClassTypePtr type = object->type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const c10::IValue value = object->getSlot(slot);
      if (!value.isModule()) continue;
      const auto child = share(value.toObject());
      if (type->getAttribute(slot) == value.type())  // not an interface
        type->unsafeChangeAttributeType(type->getAttributeName(slot), child->type());
      object->setSlot(slot, child);
    }
    for (const auto& functions : {type->methods(), type->getForwardPreHooks(), type->getForwardHooks()}) {
      for (Function* function : functions) {
        if (GraphFunction* graph = tryToGraphFunction(*function)) retype(graph->graph()->block());
      }
    }
    kept_.push_back(object);  // so that no address is reused
    return objects_[object.get()] = with_shared_type(object);
  }

 private:
  c10::intrusive_ptr<c10::ivalue::Object> with_shared_type(
      const c10::intrusive_ptr<c10::ivalue::Object>& object) {
    const c10::ClassTypePtr type = object->type();
    std::vector<c10::ClassTypePtr>& known = by_name_[original_name(*type)];
    for (const c10::ClassTypePtr& shared : known) {
      if (!TypeComparison(*type, *shared).equal()) continue;
      auto fresh = c10::ivalue::Object::create(c10::StrongTypePtr(object->compilation_unit(), shared),
                                               object->slots().size());
      for (size_t slot = 0; slot < object->slots().size(); ++slot)
        fresh->setSlot(slot, object->getSlot(slot));
      shared_.emplace(type.get(), shared);
      return fresh;
    }
    known.push_back(type);
    return object;
  }

  void retype(Block* block) {
    retype(block->inputs());
    for (Node* node : block->nodes()) {
      retype(node->outputs());
      for (Block* inner : node->blocks()) retype(inner);
      if (node->hasAttribute(attr::Subgraph)) retype(node->g(attr::Subgraph)->block());
    }
  }

  void retype(at::ArrayRef<Value*> values) {
    for (Value* value : values) {
      const auto found = shared_.find(value->type().get());
      if (found != shared_.end()) value->setType(found->second);
    }
  }

  std::unordered_map<const c10::ivalue::Object*, c10::intrusive_ptr<c10::ivalue::Object>> objects_;
  std::vector<c10::intrusive_ptr<c10::ivalue::Object>> kept_;
  std::map<std::string, std::vector<c10::ClassTypePtr>> by_name_;   // types that are in use
  std::unordered_map<const c10::Type*, c10::ClassTypePtr> shared_;  // what stands for a type
};

}  // namespace

void share_types(const Module& module) { Sharer().share(module._ivalue()); }

}  // namespace vqt
