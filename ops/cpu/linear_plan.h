// How one integer linear is cut into tasks: a grid of row ranges x column ranges, at most one task a thread.
// Pure and printable; VQT_PRINT_PLAN=1 prints each shape's plan once on stderr. k is never cut and no result
// depends on the plan.
#pragma once

#include <cstdint>
#include <string>

#include "cpu/isa.h"
#include "cpu/range.h"

namespace vqt {

struct LinearProblem {
  int64_t rows = 0;                          // of x
  int64_t column_begin = 0, column_end = 0;  // columns of the packed weight
  int64_t k = 0;
  int64_t bits = 8;
  int threads = 1;
  cpu::Isa isa = cpu::Isa::kRef;
};

struct LinearPlan {
  LinearProblem problem;
  int64_t row_tasks = 0, column_tasks = 0;
  int64_t rows_per_task = 0, columns_per_task = 0;  // multiples of a kernel's tile

  int64_t tasks() const { return row_tasks * column_tasks; }
  cpu::Range rows(int64_t task) const;
  cpu::Range columns(int64_t task) const;
};

LinearPlan plan_linear(const LinearProblem& problem);

// "int8 1374 x 1024 -> 4096 avx2, 2 threads: 2 x 1 tasks of 696 x 4096"
std::string to_string(const LinearPlan& plan);

// Prints the plan, once a process, where VQT_PRINT_PLAN is 1.
void print_plan_once(const LinearPlan& plan);

}  // namespace vqt
