// PyTorch's own modules (torch.nn), whose code is known.
#pragma once

#include <optional>

#include "passes/ir/constant_values.h"
#include "passes/ir/model_graph.h"

namespace vqt {

// Is type torch.nn.MultiheadAttention?
bool is_torch_attention(const c10::Type& type);

// Is it one of torch.nn.functional's private helpers (_canonical_mask, _none_or_dtype, ...): checks of masks and shapes?
bool is_torch_helper(const torch::jit::Function& function);

// For simplify_inlined: `training`, which is false in a quantized model, and the numbers, booleans and Nones of
// torch's modules, which nobody changes after the constructor. Of a user's modules the flags may be switches.
std::optional<c10::IValue> known_attribute(const ConstantValues& constants,
                                           const torch::jit::Value* get_attr);

// In methods of a torch.nn.MultiheadAttention with a quantized linear: removes what this instance never runs: an
// inlined F.multi_head_attention_forward is otherwise there twice, for one and for three projection weights.
void simplify_attention(const ModelGraphs& model);

}  // namespace vqt
