// Quantized activations as tensors: uint8 [*leading sizes of x, bytes a row], one block of cpu/activation.h
// in the layout of this process's instruction set. Opaque, and only whole: they live inside a forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/activation.h"
#include "linear_args.h"

namespace vqt {

inline c10::SymInt activation_bytes(const c10::SymInt& k) { return (k + 7) / 8 * 8 + 12; }

// Undefined content. sizes: of x, k last.
at::Tensor empty_activation(at::IntArrayRef sizes);
// The rows of a tensor that empty_activation made. The tensor has to outlive it.
cpu::ActivationRows activation_view(const at::Tensor& activation, int64_t k);

// x: float of any dtype and strides; args: not kNone.
at::Tensor quantize_activation(const at::Tensor& x, const ActivationArgs& args);

// x, whose rows have k values; throws where it is no whole quantized activation of that size.
at::Tensor check_quantized_x(std::string_view op, const at::Tensor& x, int64_t k);

}  // namespace vqt
