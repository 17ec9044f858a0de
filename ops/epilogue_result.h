// The result of an op that ends in an epilogue: the tensor that kernels fill, and what they read for it.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <vector>

#include "cpu/gemm/epilogue.h"
#include "ops/epilogue_args.h"

namespace vqt {

struct EpilogueResult {
  cpu::Epilogue epilogue;      // what a kernel does; points into the tensors
  at::Tensor out;              // the product's sizes: float32, or a quantized activation
  at::Tensor bias;             // float32, or undefined
  at::Tensor gamma, residual;  // float32; undefined also where finish_result multiplies by it, or adds it
};

// sizes: the product's. first_column: of the weight, column 0 of the result. bias: [columns].
EpilogueResult make_result(const EpilogueArgs& args, const std::optional<at::Tensor>& bias,
                           int64_t first_column, const std::vector<int64_t>& sizes);

// The op's result once the kernels have filled it. A gamma or a residual of another shape or dtype than kernels
// read is taken here, by torch's ops.
at::Tensor finish_result(const EpilogueArgs& args, const EpilogueResult& result);

// The same steps in torch's ops. y: float32, holds the bias.
at::Tensor apply_epilogue_unfused(const EpilogueArgs& args, at::Tensor y);

}  // namespace vqt
