// How one linear is computed: which kernel, in blocks of which size, cut into which tasks (a grid of row
// ranges x column ranges, at most one task per thread). Pure and printable; VQT_PRINT_PLAN=1 prints each
// shape's plan once on stderr. k is never cut and no result of integer arithmetic depends on the plan.
#pragma once

#include <cstdint>
#include <string>

#include "cpu/isa.h"
#include "cpu/linear/linear_block.h"
#include "cpu/linear/linear_kernel.h"
#include "cpu/range.h"

namespace vqt {

struct LinearShape {
  int64_t rows = 0;                          // of x
  int64_t column_begin = 0, column_end = 0;  // columns of the packed weight
  int64_t k = 0;
  int64_t bits = 8;
  int threads = 1;
  cpu::Isa isa = cpu::Isa::kRef;
  cpu::AmxUse amx = cpu::AmxUse::kNever;  // of int8 products
  bool weight_only = false;               // x stays float
  bool has_layout = true;                 // the weight's layout is one that the kernels read
  int64_t group = 0;                      // int4: values of k that share a scale, padded; 0: all
};

struct LinearPlan {
  LinearShape shape;
  cpu::LinearKernel kernel = cpu::LinearKernel::kInt8Ref;
  cpu::LinearBlock block;  // what the kernel works on at a time
  int64_t row_tasks = 0, column_tasks = 0;
  int64_t rows_per_task = 0, columns_per_task = 0;  // multiples of a kernel's tile

  int64_t tasks() const { return row_tasks * column_tasks; }
  cpu::Range rows(int64_t task) const;
  cpu::Range columns(int64_t task) const;
};

LinearPlan plan_linear(const LinearShape& shape, const cpu::CacheSizes& caches = cpu::cache_sizes());

// "int8 1374 x 1024 -> 4096 avx2, 2 threads: 1 x 2 tasks of 1374 x 2048, linear_int8_strassen_avx2 in blocks
// of 288 x 32 x 1024". Kernels of torch cut their work themselves: no tasks.
std::string to_string(const LinearPlan& plan);

// Prints a plan, each text once per process, where VQT_PRINT_PLAN is 1.
void print_plan_once(const LinearPlan& plan);

}  // namespace vqt
