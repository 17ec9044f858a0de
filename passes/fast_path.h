// PyTorch's native fast paths for attention: ops that take a layer's weights as they are and so cannot run
// quantized ones.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <vector>

#include "model_graph.h"

namespace vqt {

// The branch of a scripted nn.MultiheadAttention, TransformerEncoderLayer or TransformerEncoder that leads to
// its fast path.
struct FastPath {
  torch::jit::Node* branch =
      nullptr;       // the outermost prim::If that does nothing but decide for the fast path
  size_t block = 0;  // which block of it holds the fast path
  int method = 0;
  bool makes_nested_tensor =
      false;  // turns the input into a nested tensor, which only the fast paths of layers can read
};

// aten::_native_multi_head_attention, aten::_transformer_encoder_layer_fwd
bool is_native_attention(const torch::jit::Node* node);

std::vector<FastPath> find_fast_paths(const ModelGraphs& model);
std::vector<FastPath> find_fast_paths(torch::jit::Graph& graph, int method);
// Index of the fast path whose block node stands in, or -1.
int enclosing_fast_path(const std::vector<FastPath>& paths, const torch::jit::Node* node);
// Makes the other branch the only one: it computes the same from the layer's own linears.
void cut_fast_path(const ModelGraphs& model, const FastPath& path);

}  // namespace vqt
