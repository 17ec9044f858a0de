// A graph as the fusions see it: what its constants and attributes hold, what may be written to, which
// linears run on integers.
#pragma once

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/ir.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace torch::jit {
class AliasDb;
}

namespace vqt {

// The four arguments by which an activation is quantized.
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
  // What a value always holds (a parameter, a constant), None where that is not known.
  using Held = std::function<c10::IValue(const torch::jit::Value*)>;

  // float_type: the one dtype of all floating-point parameters of the model, where it has only one.
  FusionGraph(std::shared_ptr<torch::jit::Graph> graph, Held held,
              std::optional<at::ScalarType> float_type = std::nullopt);
  ~FusionGraph();

  torch::jit::Graph& graph() const { return *graph_; }
  // All nodes of one kind in order, nested blocks included. Stays valid while others are taken out.
  std::vector<torch::jit::Node*> nodes(const std::string& kind) const;

  c10::IValue held(const torch::jit::Value* value) const { return held_(value); }
  std::optional<at::ScalarType> float_type() const { return float_type_; }
  // May something that runs after `from` and before `to` write to the memory of one of these values, itself
  // or through an alias? `to` stands in the block of `from` or deeper; what it is nested in counts too.
  bool written_between(const torch::jit::Node* from, const torch::jit::Node* to,
                       const std::vector<const torch::jit::Value*>& values) const;

  // All users of value read `by` instead.
  void replace(torch::jit::Value* value, torch::jit::Value* by);
  // Takes out what nobody reads any more.
  void clean_up();

  // All of them, as is_integer_linear says, int8 before int4.
  std::vector<torch::jit::Node*> integer_linears() const;
  // vqt::linear_int8 or linear_int4 with integer activations and a weight in a layout of the fast kernels.
  bool is_integer_linear(const torch::jit::Node* node) const;
  // Rows of the weight that such a linear uses, and its columns.
  int64_t rows(const torch::jit::Node* linear) const;
  int64_t columns(const torch::jit::Node* linear) const;

 private:
  at::Tensor packed_weight(const torch::jit::Node* linear) const;

  std::shared_ptr<torch::jit::Graph> graph_;
  Held held_;
  std::optional<at::ScalarType> float_type_;
  std::unique_ptr<torch::jit::AliasDb> aliases_;
};

// ---- arguments by their names in the schema
torch::jit::Value* argument(const torch::jit::Node* node, const char* name);
void set_argument(torch::jit::Node* node, const char* name, torch::jit::Value* value);
// Inserts the constant before node.
void set_argument(torch::jit::Node* node, const char* name, const c10::IValue& constant);
std::optional<c10::IValue> constant_argument(const torch::jit::Node* node, const char* name);
// Does the argument hold its default?
bool is_default(const torch::jit::Node* node, const char* name);

// The activation arguments of a linear or of an op that quantizes; empty where one is not constant.
std::optional<ActivationArguments> activation_arguments(const torch::jit::Node* node);
// Back to the defaults: x comes quantized.
void reset_activation_arguments(torch::jit::Node* linear);
// A node `kind` before `place` with these activation arguments behind its other inputs.
torch::jit::Value* insert_quantizer(torch::jit::Node* place, const std::string& kind,
                                    const std::vector<torch::jit::NamedValue>& inputs,
                                    const ActivationArguments& activation);

// Does this value hold a quantized activation?
bool is_quantized_activation(const torch::jit::Value* value);

// ---- readers
// Uses that look at more than shape, dtype and device.
std::vector<torch::jit::Use> value_uses(const torch::jit::Value* value);
// Those that do not, read `by` instead.
void ask_instead(torch::jit::Value* value, torch::jit::Value* by);
// The node that is value's only user, null otherwise.
torch::jit::Node* only_user(const torch::jit::Value* value);
bool in_same_block(const torch::jit::Node* a, const torch::jit::Node* b);

// aten::layer_norm's normalized_shape: each size where it is known; empty where not even their number is.
std::vector<std::optional<int64_t>> normalized_sizes(const torch::jit::Node* layer_norm);

bool is_op(const torch::jit::Node* node, const char* kind, const char* overload);
bool is_int(const torch::jit::Value* value, int64_t expected);
bool is_none(const torch::jit::Value* value);

}  // namespace vqt
