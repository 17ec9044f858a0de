// Where the weight of a linear comes from: the attribute or constant it is, and which of its rows.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace vqt {

bool is_float_linear(const torch::jit::Node* node);      // aten::linear
bool is_quantized_linear(const torch::jit::Node* node);  // vqt::linear_int8, _int4, _int16
bool is_any_linear(const torch::jit::Node* node);

// The value a weight is made of, as far back as its first inputs lead: a prim::GetAttr of a tensor, a
// prim::Constant, a graph or block input, or the output of a call.
torch::jit::Value* weight_root(torch::jit::Value* weight);

// node gives back input 0 itself, or something that equals it wherever a linear reads it.
bool is_alias_of_input(const torch::jit::Node* node);
// node cuts its first input into pieces or takes one out of a list of such pieces.
bool is_row_slice(const torch::jit::Node* node);

// node asks its first input for something that does not depend on its values and that a constant, the packed
// weight or another parameter can answer: size, dtype, device, ...
bool is_metadata_read(const torch::jit::Node* node);

// Does weight have as many columns as root, whatever rows it holds?
bool keeps_columns(const torch::jit::Value* weight, const torch::jit::Value* root);
// The tensor whose last size value is, or null: x.size(-1), x.shape[-1], or the last of a, b, c = x.shape.
const torch::jit::Value* tensor_with_last_size(const torch::jit::Value* value);

struct RowRange {
  int64_t begin = 0, end = 0;
};
// What a value of int type always is; empty where it is not known.
using KnownInt = std::function<std::optional<int64_t>(const torch::jit::Value*)>;
// Which of root's n rows `weight` holds. Empty where that is not known before run time; problem then says
// why.
std::optional<RowRange> rows_of(const torch::jit::Value* weight, const torch::jit::Value* root, int64_t n,
                                const KnownInt& known_int, std::string& problem);

}  // namespace vqt
