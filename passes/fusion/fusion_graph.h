// A graph for the fusions: values of constants and attributes, memory that may be written to, linears that
// run on integers.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "passes/ir/constant_values.h"

namespace torch::jit {
class AliasDb;
}

namespace vqt {

// The four arguments for quantizing an activation.
struct ActivationArguments {
  std::string activation;  // "dynamic" or "static"
  bool symmetric = false;
  double scale = 0.0;
  int64_t zero_point = 0;
  bool operator==(const ActivationArguments& o) const {
    return activation == o.activation && symmetric == o.symmetric && scale == o.scale &&
           zero_point == o.zero_point;
  }
};

class FusionGraph {
 public:
  // The value of a constant or a parameter, None where it is not known.
  using ConstantValue = std::function<c10::IValue(const torch::jit::Value*)>;

  // float_type: the one dtype of all floating-point parameters of the model, where it has only one.
  FusionGraph(std::shared_ptr<torch::jit::Graph> graph, ConstantValue constant_value,
              std::optional<at::ScalarType> float_type = std::nullopt);
  ~FusionGraph();

  torch::jit::Graph& graph() const { return *graph_; }
  // All nodes of one kind in order, nested blocks included. Valid while other nodes are removed.
  std::vector<torch::jit::Node*> nodes(const std::string& kind) const;

  c10::IValue constant_value(const torch::jit::Value* value) const { return constant_value_(value); }
  std::optional<at::ScalarType> float_type() const { return float_type_; }
  // May a node that runs after `from` and before `to` write to the memory of one of these values, also
  // through an alias? `to` is in the block of `from` or in a nested one; then the enclosing node counts too.
  bool written_between(const torch::jit::Node* from, const torch::jit::Node* to,
                       const std::vector<const torch::jit::Value*>& values) const;

  // Makes all users of value read `by`.
  void replace(torch::jit::Value* value, torch::jit::Value* by);
  // Removes nodes whose results nothing reads.
  void clean_up();

  // All nodes for which is_integer_linear is true, int8 before int4.
  std::vector<torch::jit::Node*> integer_linears() const;
  // vqt::linear_int8 or linear_int4 with integer activations and a weight in a layout of the fast kernels.
  bool is_integer_linear(const torch::jit::Node* node) const;
  // Rows of the weight that such a linear uses, and its columns.
  int64_t rows(const torch::jit::Node* linear) const;
  int64_t columns(const torch::jit::Node* linear) const;

 private:
  at::Tensor packed_weight(const torch::jit::Node* linear) const;

  std::shared_ptr<torch::jit::Graph> graph_;
  ConstantValue constant_value_;
  std::optional<at::ScalarType> float_type_;
  std::unique_ptr<torch::jit::AliasDb> aliases_;
};

// ---- arguments by their names in the schema
torch::jit::Value* argument(const torch::jit::Node* node, const char* name);
void set_argument(torch::jit::Node* node, const char* name, torch::jit::Value* value);
// Inserts the constant before node.
void set_argument(torch::jit::Node* node, const char* name, const c10::IValue& constant);
std::optional<c10::IValue> constant_argument(const torch::jit::Node* node, const char* name);
// Is the argument its default?
bool is_default(const torch::jit::Node* node, const char* name);

// The activation arguments of a linear or of an op that quantizes; empty where one is not constant.
std::optional<ActivationArguments> activation_arguments(const torch::jit::Node* node);
// Sets them to the defaults: x is quantized already.
void reset_activation_arguments(torch::jit::Node* linear);
// Inserts a node `kind` before `place`, with these activation arguments after its other inputs.
torch::jit::Value* insert_quantizer(torch::jit::Node* place, const std::string& kind,
                                    const std::vector<torch::jit::NamedValue>& inputs,
                                    const ActivationArguments& activation);

// Is this value a quantized activation?
bool is_quantized_activation(const torch::jit::Value* value);

// ---- readers
// Uses of more than shape, dtype and device.
std::vector<torch::jit::Use> value_uses(const torch::jit::Value* value);
// Makes the uses of shape, dtype and device read `by`.
void replace_metadata_uses(torch::jit::Value* value, torch::jit::Value* by);
// The node that is value's only user, null otherwise.
torch::jit::Node* only_user(const torch::jit::Value* value);
bool in_same_block(const torch::jit::Node* a, const torch::jit::Node* b);

// aten::layer_norm's normalized_shape: each size where it is known; empty where their number is not known.
std::vector<std::optional<int64_t>> normalized_sizes(const torch::jit::Node* layer_norm);

bool is_op(const torch::jit::Node* node, const char* kind, const char* overload);
// The start of aten::slice that leaves nothing out at the beginning, and the end that leaves nothing out at the end.
bool is_slice_begin(const torch::jit::Value* value);
bool is_slice_end(const torch::jit::Value* value);

}  // namespace vqt
