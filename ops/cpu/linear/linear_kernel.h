// The kernels of the linears by name. The plan (linear_plan.h) chooses one; every kernel counts its runs, so
// that tests and tools see which code has really run.
#pragma once

#include <cstdint>

#include "cpu/isa.h"

namespace vqt::cpu {

enum class LinearKernel : uint8_t {
  kInt8Ref,
  kInt8DirectAvx2,    // small m, or a single panel
  kInt8StrassenAvx2,  // large m
  kInt8AvxVnni,
  kInt8Avx512Vnni,
  kInt8Amx,    // x as for AVX512-VNNI
  kInt8Torch,  // torch's _int_mm (ops/linear_amx.h)
  kInt4Ref,
  kInt4SmallMAvx2,
  kInt4LargeMAvx2,
  kInt4AvxVnni,
  kInt4SmallMAvx512Vnni,
  kInt4LargeMAvx512Vnni,
  kCanonical,  // weights that no panel layout fits
  kWeightOnlyRef,
  kWeightOnlySmallMAvx2,
  kWeightOnlyLargeMAvx2,
  kWeightOnlySmallMAvx512Vnni,
  kWeightOnlyLargeMAvx512Vnni,
  kWeightOnlyTorch,  // torch's product of blocks of float weights (ops/weight_only.h)
};

constexpr LinearKernel kLinearKernels[] = {
    LinearKernel::kInt8Ref,
    LinearKernel::kInt8DirectAvx2,
    LinearKernel::kInt8StrassenAvx2,
    LinearKernel::kInt8AvxVnni,
    LinearKernel::kInt8Avx512Vnni,
    LinearKernel::kInt8Amx,
    LinearKernel::kInt8Torch,
    LinearKernel::kInt4Ref,
    LinearKernel::kInt4SmallMAvx2,
    LinearKernel::kInt4LargeMAvx2,
    LinearKernel::kInt4AvxVnni,
    LinearKernel::kInt4SmallMAvx512Vnni,
    LinearKernel::kInt4LargeMAvx512Vnni,
    LinearKernel::kCanonical,
    LinearKernel::kWeightOnlyRef,
    LinearKernel::kWeightOnlySmallMAvx2,
    LinearKernel::kWeightOnlyLargeMAvx2,
    LinearKernel::kWeightOnlySmallMAvx512Vnni,
    LinearKernel::kWeightOnlyLargeMAvx512Vnni,
    LinearKernel::kWeightOnlyTorch,
};

// The name of its function: "linear_int8_strassen_avx2".
const char* to_string(LinearKernel kernel);

// The instruction set that it is compiled for; kRef for torch's, which choose their own.
Isa isa_of(LinearKernel kernel);

// Whether torch computes the product: such a kernel has no function in this folder.
bool is_torch(LinearKernel kernel);

// How often a kernel has run in this process: once per range of rows and columns.
void count_run(LinearKernel kernel);
int64_t runs_of(LinearKernel kernel);

}  // namespace vqt::cpu
