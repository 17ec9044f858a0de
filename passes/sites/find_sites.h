// Every weight that a linear, a convolution, or a product that is none of them, reads, in execution order.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <set>
#include <string>
#include <unordered_set>
#include <vector>

#include "passes/ir/convolutions.h"
#include "passes/ir/fast_path.h"
#include "passes/ir/model_graph.h"
#include "passes/ir/parameter_expressions.h"
#include "passes/ir/trace_weight.h"
#include "vqt/site.h"

namespace vqt {

struct SiteCall {
  torch::jit::Node* linear = nullptr;  // or the convolution
  torch::jit::Value* root = nullptr;   // the whole weight: its parameter, or what is computed from parameters
  torch::jit::Value* parameter =
      nullptr;  // prim::GetAttr or prim::Constant of the parameter that names the site
  int method = 0;
  RowRange rows;
};

// A use of a weight's size, dtype, device, ...: replaced once the weight is gone.
struct MetadataUse {
  torch::jit::Node* node = nullptr;
  torch::jit::Value* root = nullptr;
  int method = 0;
};

// A tensor that the weight of a site is computed from.
struct SiteLeaf {
  int owner = -1;         // instance, -1: a constant in the graph
  std::string attribute;  // of owner
  std::string identity;   // tensor_identity
  bool operator==(const SiteLeaf& o) const {
    return owner == o.owner && attribute == o.attribute && identity == o.identity;
  }
};

struct Site {
  SiteInfo info;
  int owner = -1;         // instance, -1: a constant in the graph
  std::string attribute;  // of owner
  std::string label;      // attribute, with a number where several sites are computed from one parameter
  at::Tensor weight;  // float, or the packed one of a quantized linear; a meta tensor where it is computed
  std::optional<ConvShape> convolution;  // of a float one: what all calls compute
  std::optional<ConvForm> form;          // its form as integers
  std::string computed;           // of a weight that is computed from parameters: the text of its expression
  std::vector<SiteLeaf> leaves;   // the float tensors it is computed from; else itself
  std::string replaced_identity;  // of the float weight, after it was replaced
  bool quantized = false;
  // In all methods, slices included. Of a computed weight each one's root has the same value.
  std::vector<SiteCall> calls;
  std::vector<MetadataUse> metadata;
  std::vector<int> fast_paths;  // into SiteTable::fast_paths: to cut when this weight is rewritten
  std::vector<int> methods;     // with a call
};

// A linear whose weight is neither a parameter nor computed from parameters alone: it is not changed.
struct ComputedLinear {
  std::string name;  // of its module
  std::string reason;
};

struct SiteTable {
  std::vector<FastPath> fast_paths;
  std::vector<Site> sites;
  std::vector<ComputedLinear> computed;
  std::unordered_set<const torch::jit::Node*> expression_nodes;  // that compute weights
  // Methods of submodules that no method of the model calls (any more): into ModelGraphs::methods.
  std::set<int> unreached;
  // Those of them that read the parameter of a computed weight in another way: they go with it.
  std::set<int> abandoned;
  std::vector<SiteInfo> infos() const;
};

// model: clone_with_own_types, inline_functions, products_to_linear done. The nodes point into its graphs.
SiteTable find_sites(const ModelGraphs& model);

}  // namespace vqt
