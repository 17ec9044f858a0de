// What is asked of a whole tensor of values. x: float32, contiguous, on the CPU.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/quantize/choose_qparams_kernel.h"

namespace vqt {

// On all threads.
cpu::ValueRange range_of(const at::Tensor& x);

// Where x holds NaN or Inf, throws an error that says how many and where the first one is; returns where not.
// Slow: for use once something is known to be wrong.
void check_finite(std::string_view op, std::string_view argument, const at::Tensor& x);

}  // namespace vqt
