// Values that follow from parameters, buffers and constants alone: W + scale * B @ A, g * v / norm(v), w.t().
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <vector>

#include "passes/ir/constant_values.h"
#include "passes/ir/model_graph.h"

namespace vqt {

struct ParameterExpression {
  // A meta tensor: the sizes, and the dtype in which the result is kept (that of `parameter` where both are one of
  // float32, bfloat16, float16).
  at::Tensor shape;
  std::string text;                            // equal for two expressions that compute the same
  torch::jit::Value* parameter = nullptr;      // the largest leaf, parameters before buffers
  std::vector<torch::jit::Value*> leaves;      // the tensors it reads: prim::GetAttr or prim::Constant
  std::vector<const torch::jit::Node*> nodes;  // that compute it, leaves included
  bool is_parameter() const { return text == parameter_text; }  // the leaf itself, perhaps cast or copied
  std::string parameter_text;
};

class ParameterExpressions {
 public:
  ParameterExpressions(const ModelGraphs& model, const ConstantValues& constants)
      : model_(model), constants_(constants) {}

  // Computes shapes only: no value of a parameter is read. Empty where value is no tensor, or
  // depends on anything but parameters, buffers and constants through ops known to be pure. Attributes
  // that a method assigns to are not constant; whether a method writes to a tensor is not looked at.
  std::optional<ParameterExpression> of(torch::jit::Value* value) const;
  // The value of a tensor for which `of` has an expression, computed in float32 (casts between float32, bfloat16 and
  // float16 are left out) and stored in dtype.
  at::Tensor evaluate(torch::jit::Value* value, at::ScalarType dtype) const;
  // Is the leaf a parameter, or a constant of a frozen graph (where parameters look like that)? Not a buffer.
  bool is_parameter(const torch::jit::Value* leaf) const;

 private:
  const ModelGraphs& model_;
  const ConstantValues& constants_;
};

// An op on a list of those whose result follows from their inputs alone and that write to nothing.
bool is_pure(const torch::jit::Node* node);
// Does node swap the two dimensions of a matrix: w.t(), w.T, w.transpose(-1, -2), w.permute(1, 0)?
bool is_transposition(const torch::jit::Node* node);

}  // namespace vqt
