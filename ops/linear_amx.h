// linear_int8 with VQT_ISA=amx: torch's _int_mm computes the product, through oneDNN, which uses AMX where
// the CPU has it, to compare our own kernel with. x, packed weight, epilogue and the bits of the result are the same as with our own kernels.
#pragma once

#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/linear_plan.h"
#include "ops/check.h"

namespace vqt {

// plan: kInt8Torch. rows: of the weight, as a RunLinear gets them. job: the one our own kernels would get.
void run_int8_torch(const LinearPlan& plan, RowSlice rows, const cpu::LinearInt8Job& job);

}  // namespace vqt
