// linear_int8 on CPUs with AMX: the product goes through torch's _int_mm, which is oneDNN's and takes AMX
// where the CPU has it; quantized x, packed weight and epilogue are those of our own kernels, and so are the
// bits.
#pragma once

#include "cpu/linear/linear_int8_kernel.h"
#include "ops/linear_integer.h"

namespace vqt {

// Whether a product of this many rows goes that way.
bool amx_pays(int64_t rows);

// job: the call as our own kernels get it.
void run_int8_amx(const LinearCall& call, const cpu::LinearInt8& job);

}  // namespace vqt
