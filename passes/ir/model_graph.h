// The instances and method graphs of a module whose instances have types of their own (clone_with_own_types).
#pragma once

#include <torch/csrc/jit/api/module.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace vqt {

struct Instance {
  torch::jit::Module module;
  std::string fqn;           // "" for the root; an instance with two names takes the first in attribute order
  std::vector<int> methods;  // into ModelGraphs::methods
};

struct MethodGraph {
  int instance = 0;
  std::string name;  // "forward"
  std::shared_ptr<torch::jit::Graph> graph;
};

class ModelGraphs {
 public:
  explicit ModelGraphs(const torch::jit::Module& root);

  const std::vector<Instance>& instances() const { return instances_; }  // depth first, attribute order
  // In the order of instances; hooks after methods.
  const std::vector<MethodGraph>& methods() const { return methods_; }

  // The instance that a module-typed value is, -1 where it is not known.
  int instance_of(const torch::jit::Value* value) const;
  // The method that a prim::CallMethod runs, -1 where it is not known before run time.
  int callee_of(const torch::jit::Node* call) const;
  // The value that a prim::GetAttr reads; None where its receiver is not known.
  c10::IValue attribute(const torch::jit::Value* value) const;
  // Is any of `others` this instance or inside it?
  bool contains_any(int instance, const std::vector<int>& others) const;
  // "forward of blocks.0.attn", for messages.
  std::string describe(const MethodGraph& method) const;

 private:
  void add(const torch::jit::Module& module, const std::string& fqn);

  std::vector<Instance> instances_;
  std::vector<MethodGraph> methods_;
  std::unordered_map<const c10::ivalue::Object*, int> by_object_;
  std::unordered_map<const c10::Type*, int> by_type_;
};

// Calls fn for every node of a block in order, in nested blocks and subgraphs of prim::fork too. fn may
// remove its node.
void for_each_node(torch::jit::Block* block, const std::function<void(torch::jit::Node*)>& fn);

// "a.b" out of "a" and "b"; either may be empty.
std::string join_fqn(const std::string& prefix, const std::string& name);

}  // namespace vqt
