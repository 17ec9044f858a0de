// Quantized activations as tensors: uint8 [*leading sizes of x, bytes per row], one block of
// cpu/layout/activation.h in the layout of this process's instruction set. Opaque, not to be sliced, and
// valid only within a forward pass.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/layout/activation.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "ops/activation_args.h"

namespace vqt {

// An op takes a quantized activation in a float tensor's place: the dtype tells them apart.
inline bool is_quantized_activation(const at::Tensor& x) { return x.scalar_type() == at::kByte; }

// cpu::activation_bytes_per_row for sizes that may be symbolic.
inline c10::SymInt activation_bytes(const c10::SymInt& k) { return (k + 7) / 8 * 8 + 12 + k % 8; }

// Undefined content. sizes: of x, k last.
at::Tensor empty_activation(at::IntArrayRef sizes);
// A view of the rows of such a tensor, which must outlive it.
cpu::QuantizedRows activation_view(const at::Tensor& activation, int64_t k);

// x and the arguments of an op that quantizes it: the mode is not kNone.
ActivationArgs check_quantizer(std::string_view op, const at::Tensor& x, const ActivationSchemaArgs& args);
// The result of such an op without data.
at::Tensor quantized_meta(const at::Tensor& x);
// x as float32 [rows][k] whose rows are dense: x itself where possible.
at::Tensor dense_rows(const at::Tensor& x, int64_t rows);
// The kernel's job: how rows of k values are quantized, and into what. The caller sets the source.
cpu::QuantizeRowsJob quantizer(const ActivationArgs& args, const cpu::QuantizedRows& out, int64_t k);
// Rows per task: at least a tile.
int64_t rows_per_task(const cpu::QuantizeRowsJob& job);

// x: float of any dtype and strides; args: not kNone.
at::Tensor quantize_activation(const at::Tensor& x, const ActivationArgs& args);

// Returns x, aligned. Throws if x is not a whole quantized activation with k values per row.
at::Tensor check_quantized_x(std::string_view op, const at::Tensor& x, int64_t k);

}  // namespace vqt
