// Passes over all values of a tensor. x: float32, contiguous, on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/quantize/choose_qparams_kernel.h"

namespace vqt {

// Uses all threads.
cpu::ValueRange tensor_range(const at::Tensor& x);

// Throws if x holds NaN or Inf; the error says how many, and where the first one is. On one thread: call it
// once a kernel has found one.
void check_finite(std::string_view op, std::string_view argument, const at::Tensor& x);

}  // namespace vqt
