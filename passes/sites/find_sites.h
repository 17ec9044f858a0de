// Every weight that a linear reads, in execution order.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

#include "passes/ir/fast_path.h"
#include "passes/ir/model_graph.h"
#include "passes/ir/trace_weight.h"
#include "vqt/site.h"

namespace vqt {

struct SiteCall {
  torch::jit::Node* linear = nullptr;
  torch::jit::Value* root = nullptr;  // the prim::GetAttr or prim::Constant of the weight
  int method = 0;
  RowRange rows;
};

// A use of a weight's size, dtype, device, ...: replaced once the weight is gone.
struct MetadataUse {
  torch::jit::Node* node = nullptr;
  torch::jit::Value* root = nullptr;
  int method = 0;
};

struct Site {
  SiteInfo info;
  int owner = -1;                 // instance, -1: a constant in the graph
  std::string attribute;          // of owner
  at::Tensor weight;              // float, or the packed one of a quantized linear
  std::string replaced_identity;  // of the float weight, after it was replaced
  bool quantized = false;
  std::vector<SiteCall> calls;  // in all methods, slices included
  std::vector<MetadataUse> metadata;
  std::vector<int> fast_paths;  // into SiteTable::fast_paths: to cut when this weight is rewritten
  std::vector<int> methods;     // with a call
};

// A linear whose weight is not a parameter: it is not changed.
struct ComputedLinear {
  std::string name;  // of its module
  std::string reason;
};

struct SiteTable {
  std::vector<FastPath> fast_paths;
  std::vector<Site> sites;
  std::vector<ComputedLinear> computed;
  std::vector<SiteInfo> infos() const;
};

// Equal for two tensors with the same shape and the same memory.
std::string tensor_identity(const at::Tensor& tensor);

// model: clone_with_own_types, inline_functions done. The nodes point into its graphs.
SiteTable find_sites(const ModelGraphs& model);

}  // namespace vqt
