// linear_int8 on CPUs with AMX: the product goes through torch's _int_mm, which is oneDNN's and takes AMX
// where the CPU has it; quantized x, packed weight and epilogue are those of our own kernels, and so are the
// bits.
#pragma once

#include "cpu/linear/linear_int8_kernel.h"
#include "ops/check.h"

namespace vqt {

// Whether a product of this many rows goes that way.
bool amx_pays(int64_t rows);

// rows: of the weight, as a RunLinear gets them. job: the one our own kernels would get.
void run_int8_amx(RowSlice rows, const cpu::LinearInt8& job);

}  // namespace vqt
