// What linear_int8 and linear_int4 share: the way from checked arguments to a kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/gemm/epilogue.h"
#include "cpu/layout/activation.h"
#include "ops/linear_args.h"
#include "ops/pack_weight.h"
#include "ops/run_plan.h"

namespace vqt {

// Computes the product of x and these rows of the weight, and the epilogue after it. Neither is empty.
using RunLinear = void (*)(const PackedBlock& weight, const cpu::ActivationRows& x, RowSlice rows,
                           const cpu::Epilogue& out);

// Plans a job of a RunLinear, and runs a kernel so.
template <class Job>
void run_planned(const cpu::PackedHeader& h, RowSlice rows, const Job& job,
                 void (*kernel)(const Job& job, cpu::Range rows, cpu::Range columns)) {
  const LinearPlan plan =
      plan_linear({job.x.rows, rows.begin, rows.end, h.k, h.bits, at::get_num_threads(), cpu::best_isa()});
  print_plan_once(plan);
  run_plan(plan, job, kernel);
}

// weight: packed, args.weight or what it was packed into. run: the kernels for the layout of panels;
// canonical blocks are computed by the reference.
at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& weight,
                          const LinearSchemaArgs& args, RunLinear run);

}  // namespace vqt
