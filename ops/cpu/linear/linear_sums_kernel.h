// The steps before and after an int8 product that torch computes (linear_amx.h).
#pragma once

#include <cstdint>

#include "cpu/isa.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/range.h"

namespace vqt::cpu {

// Rows of x as s8, 128 taken away: to [rows][a.w_depth()].
void shifted_rows(const LinearInt8Job& a, Range rows, int8_t* to);
// Columns of W, whole panels: to [columns][a.w_depth()].
void panel_columns(const LinearInt8Job& a, Range columns, int8_t* to);

// sums: [rows][stride] of (x - 128) * w, one for each of `columns` (which may begin anywhere); does with them
// what linear_int8_kernel does with its own: the same bits.
using FinishSumsFn = void (*)(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows,
                              Range columns);

void finish_sums_ref(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows, Range columns);
void finish_sums_avx2(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows, Range columns);
void finish_sums_avx512vnni(const LinearInt8Job& a, const int32_t* sums, int64_t stride, Range rows,
                            Range columns);

inline FinishSumsFn finish_sums_kernel(Isa isa) {
  return kernel_for(isa, finish_sums_ref, finish_sums_avx2, finish_sums_avx512vnni);
}

}  // namespace vqt::cpu
