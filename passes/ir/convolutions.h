// 2D convolutions with a weight of their own: aten::conv2d, conv_transpose2d, and the forms that traces have.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <optional>
#include <string>
#include <vector>

#include "passes/ir/model_graph.h"
#include "vqt/conv.h"

namespace vqt {

// aten::conv2d, conv_transpose2d.input, convolution, _convolution, _convolution_mode: the weight is input 1.
bool is_float_convolution(const torch::jit::Node* node);
bool is_quantized_convolution(const torch::jit::Node* node);  // vqt::conv2d_int8, conv_transpose2d_int8

// Bilinear resizing with aligned corners; input 0 is the map, input 1 the size (None: it follows from factors).
bool is_aligned_resize(const torch::jit::Node* node);

// The numbers of a list of ints, or the one of an int; empty where one is known at run time only.
std::optional<std::vector<int64_t>> constant_ints(const torch::jit::Value* list);

bool operator==(const ConvShape& a, const ConvShape& b);

// Empty where an argument is known at run time only; problem then says which. weight: 4 dimensions. method: of node,
// into model.methods().
std::optional<ConvShape> read_convolution(const ModelGraphs& model, int method, const torch::jit::Node* node,
                                          const at::Tensor& weight, std::string& problem);

// nn.ConvTranspose2d computes its output padding from an argument `output_size`. read_convolution knows the result
// where no method of the model passes one. Before such a convolution is replaced: removes the computation, and makes a
// call with an output_size an error.
void drop_output_padding(torch::jit::Node* convolution);

}  // namespace vqt
