// How much of x and of the weight a kernel works on at a time, so that both stay in the caches while they are
// used. The plan prints these sizes and the kernels use them: both call linear_block. Results do not depend
// on them, but for kWeightOnlyTorch, whose float sums torch may order by them.
#pragma once

#include <cstdint>

#include "cpu/cache_sizes.h"
#include "cpu/linear/linear_kernel.h"

namespace vqt::cpu {

struct LinearBlock {
  int64_t rows = 0, columns = 0, depth = 0;  // rows of x, columns of the result, values of k; 0: all of them
};

// rows: of all of x. k: padded or not. group: values of k that share a scale (int4).
LinearBlock linear_block(LinearKernel kernel, int64_t rows, int64_t k, int64_t group,
                         const CacheSizes& caches);

// Strassen's scheme on AVX2 cuts k into passes of 2 * half lanes (4 values of k each), and turns 8 rows of x,
// or 32 columns of the weight, into 7 operands (linear_int8_strassen_avx2.cpp).
struct StrassenDepth {
  int64_t lanes, passes, pass_lanes, half;

  static constexpr int64_t kOperands = 7, kRows = 8, kColumns = 32;
  // int32s of one operand
  int64_t x_operand() const { return kRows * (half + 1); }
  int64_t w_operand() const { return kColumns * half + 48; }  // padded: 7 are written side by side
};
StrassenDepth strassen_depth(int64_t k);

// Values of k that the weight-only kernels for large m take at a time. They set the order in which products are
// added up, so they do not depend on the machine.
constexpr int64_t kWeightOnlyDepthAvx2 = 384, kWeightOnlyDepthAvx512 = 256;

}  // namespace vqt::cpu
