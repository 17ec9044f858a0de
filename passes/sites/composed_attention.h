// Attention that a model computes by products with a softmax between them.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <utility>
#include <vector>

#include "passes/sites/call_values.h"

namespace vqt {

// softmax(q k^T * scale) v
struct ComposedAttention {
  struct Factor {
    torch::jit::Value* value = nullptr;
    bool divides = false;
  };
  torch::jit::Value *q = nullptr, *k = nullptr, *v = nullptr;
  bool k_transposed = false;             // k is [..., D, N]
  std::vector<Factor> factors;           // of the scale
  std::vector<torch::jit::Node*> nodes;  // that compute it, the last product first
  // Branches that go one way in every call, by attributes that no method assigns to, where the other way computes
  // something else or reads what this computes.
  std::vector<std::pair<torch::jit::Node*, bool>> decided;
  std::string problem;  // why it is not what vqt::attention computes
};

// Of a product node; q is null where it is none of attention. Sees through dropout in eval mode and casts.
ComposedAttention read_composed_attention(torch::jit::Node* node, const ModelGraphs& model,
                                          const CallValues& values);

}  // namespace vqt
