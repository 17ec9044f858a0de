// PyTorch's native fast paths for attention: ops that take a layer's float weights and cannot run quantized
// ones.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <vector>

#include "passes/ir/model_graph.h"

namespace vqt {

// The branch of a scripted nn.MultiheadAttention, TransformerEncoderLayer or TransformerEncoder that leads to
// its fast path.
struct FastPath {
  torch::jit::Node* branch = nullptr;  // the outermost prim::If whose only purpose is the fast path
  size_t block = 0;                    // the block of it that has the fast path
  int method = 0;
  // Makes the input a nested tensor, which only the fast paths of layers can read.
  bool makes_nested_tensor = false;
};

// aten::_native_multi_head_attention, aten::_transformer_encoder_layer_fwd
bool is_native_attention(const torch::jit::Node* node);

std::vector<FastPath> find_fast_paths(const ModelGraphs& model);
std::vector<FastPath> find_fast_paths(const ModelGraphs& model, int method);
// Index of the fast path whose block contains node, or -1.
int enclosing_fast_path(const std::vector<FastPath>& paths, const torch::jit::Node* node);
// Makes the other branch of each path the only one: it computes the same from the layer's own linears.
// Removes the nodes that nothing else needs.
void cut_fast_paths(const ModelGraphs& model, const std::vector<FastPath>& paths);

}  // namespace vqt
