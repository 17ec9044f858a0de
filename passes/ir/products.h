// Products with a parameter that are not aten::linear: x @ w, addmm (GPT-2's Conv1D), einsum, bmm, nn.Bilinear, ...
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <vector>

#include "passes/ir/model_graph.h"
#include "passes/ir/parameter_expressions.h"

namespace vqt {

// The inputs of a product that may be a weight; none where node is no product. aten::linear is not among them.
std::vector<torch::jit::Value*> product_operands(torch::jit::Node* node);

// A product of something with a parameter.
struct Product {
  torch::jit::Value* parameter = nullptr;  // prim::GetAttr or prim::Constant
  std::string problem;                     // why it is no linear
};
// After products_to_linear: empty for products of activations, and where both operands are parameters (part of a
// weight).
std::optional<Product> read_product(torch::jit::Node* node, const ParameterExpressions& expressions);

// Replaces every product of x with a parameter [N, K] or [K, N] by aten::linear, which computes the same for x of
// every rank that the product takes, and every linear whose bias is not [N] by a linear and a sum.
void products_to_linear(const ModelGraphs& model);

}  // namespace vqt
