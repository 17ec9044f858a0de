// A copy of the float model whose ops show what they read and return while it runs.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <vector>

#include "passes/ir/model_graph.h"

namespace vqt {

using MeasuredOne = std::function<void()>;  // called after the first call of each site

class WatchedModel {
 public:
  // Gets the values of the inputs that watch names, and the result of the node.
  using Watcher = std::function<void(const std::vector<c10::IValue>& inputs, const at::Tensor& y)>;

  explicit WatchedModel(const torch::jit::Module& model);

  const ModelGraphs& graphs() const { return graphs_; }
  // Calls watcher each time that node has run. node: of graphs(), with one output.
  void watch(torch::jit::Node* node, const std::vector<torch::jit::Value*>& inputs, Watcher watcher);
  // Runs forward on the thread that calls this. Throws Error where the model fails.
  void run(std::vector<c10::IValue> arguments);

 private:
  torch::jit::Module copy_;
  ModelGraphs graphs_;
  std::vector<Watcher> watchers_;
};

}  // namespace vqt
