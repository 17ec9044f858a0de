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

// Follows first inputs back to where a weight comes from: a prim::GetAttr of a tensor, a prim::Constant, a
// graph or block input, or the output of a call.
torch::jit::Value* weight_root(torch::jit::Value* weight);

// node casts input 0 to float32, bfloat16 or float16, or to a dtype that is known at run time only. A packed weight
// stands for its parameter in all of them: the result of a linear has the dtype of x, which is that of the cast weight.
bool is_cast(const torch::jit::Node* node);
// node returns input 0 itself, or a tensor that stands for it in a linear: a copy or a cast.
bool is_alias_of_input(const torch::jit::Node* node);
// node splits its first input, or takes one piece out of a list of such pieces.
bool is_row_slice(const torch::jit::Node* node);

// node uses metadata of its first input: size, dtype, device, ... A constant, the packed weight or another
// parameter has the same.
bool is_metadata_use(const torch::jit::Node* node);

// Does weight have as many columns as root, whatever rows it holds?
bool keeps_columns(const torch::jit::Value* weight, const torch::jit::Value* root);
// The tensor whose last size value is, or null: x.size(-1), x.shape[-1], or the last of a, b, c = x.shape.
const torch::jit::Value* tensor_with_last_size(const torch::jit::Value* value);

struct RowRange {
  int64_t begin = 0, end = 0;
};
// The constant that a value of int type is on every run; empty where it is not known.
using KnownInt = std::function<std::optional<int64_t>(const torch::jit::Value*)>;
// The rows of root (n of them) that `weight` has. Empty where they are not known before run time; problem
// then has the reason.
std::optional<RowRange> rows_of(const torch::jit::Value* weight, const torch::jit::Value* root, int64_t n,
                                const KnownInt& known_int, std::string& problem);

}  // namespace vqt
