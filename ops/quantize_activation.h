// Quantized activations as tensors: uint8 [*leading sizes of x, bytes a row], one block of cpu/layout/activation.h
// in the layout of this process's instruction set. Opaque, and only whole: they live inside a forward.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/layout/activation.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "ops/activation_args.h"

namespace vqt {

// An op takes a quantized activation in a float tensor's place: the dtype tells them apart.
inline bool is_quantized_activation(const at::Tensor& x) { return x.scalar_type() == at::kByte; }

inline c10::SymInt activation_bytes(const c10::SymInt& k) { return (k + 7) / 8 * 8 + 12; }

// Undefined content. sizes: of x, k last.
at::Tensor empty_activation(at::IntArrayRef sizes);
// The rows of a tensor that empty_activation made. The tensor has to outlive it.
cpu::ActivationRows activation_view(const at::Tensor& activation, int64_t k);

// x and the arguments of an op that quantizes it: the mode is not kNone.
ActivationArgs check_quantizer(std::string_view op, const at::Tensor& x, const ActivationSchemaArgs& args);
// The result of such an op without data.
at::Tensor quantized_meta(const at::Tensor& x);
// x as float32 [rows][k] whose rows are dense: x itself where it is.
at::Tensor dense_rows(const at::Tensor& x, int64_t rows);
// Where the rows of out, of k values, are quantized to and how; the caller says from where.
cpu::QuantizeRows quantizer(const ActivationArgs& args, const cpu::ActivationRows& out, int64_t k);
// Rows of one task: a tile or more.
int64_t rows_per_task(const cpu::QuantizeRows& job);

// x: float of any dtype and strides; args: not kNone.
at::Tensor quantize_activation(const at::Tensor& x, const ActivationArgs& args);

// x, whose rows have k values; throws where it is no whole quantized activation of that size.
at::Tensor check_quantized_x(std::string_view op, const at::Tensor& x, int64_t k);

}  // namespace vqt
