// What linear_int8 and linear_int4 share: the way from checked arguments to a kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/gemm/epilogue.h"
#include "cpu/layout/activation.h"
#include "ops/linear_args.h"
#include "ops/pack_weight.h"
#include "ops/run_plan.h"

namespace vqt {

// Computes the product of x and these rows of the weight, and the epilogue after it. Neither is empty.
using RunLinear = void (*)(const PackedBlock& weight, const cpu::QuantizedRows& x, RowSlice rows,
                           const cpu::Epilogue& out);

// The plan of a product of x_rows rows of x and these rows of a packed weight, printed where
// that is asked for.
LinearPlan plan_call(const cpu::PackedHeader& header, int64_t x_rows, RowSlice rows);

// weight: packed, args.weight or what it was packed into. run: the kernels for the layout of panels;
// canonical blocks are computed by the reference.
at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& weight,
                          const LinearSchemaArgs& args, RunLinear run);

}  // namespace vqt
