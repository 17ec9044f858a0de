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

// One call whose arguments are checked and whose x is quantized.
struct LinearCall {
  const PackedBlock& weight;
  cpu::ActivationRows x;
  RowSlice rows;  // of the weight, columns of the result
  cpu::Epilogue out;
};
using RunLinear = void (*)(const LinearCall& call);

// Plans the call, and runs a kernel so.
template <class Job>
void run_planned(const LinearCall& call, const Job& job,
                 void (*kernel)(const Job& job, cpu::Range rows, cpu::Range columns)) {
  const cpu::PackedHeader& h = call.weight.header;
  const LinearPlan plan = plan_linear(
      {call.x.rows, call.rows.begin, call.rows.end, h.k, h.bits, at::get_num_threads(), cpu::best_isa()});
  print_plan_once(plan);
  run_plan(plan, job, kernel);
}

// weight: packed. run: the kernels for the layout of panels; canonical blocks are computed by the reference.
at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& x, const at::Tensor& weight,
                          const LinearArgs& args, RunLinear run);

// The result without data. weight: [rows, anything].
at::Tensor linear_meta(std::string_view op, const at::Tensor& x, const at::Tensor& weight,
                       const LinearArgs& args);

}  // namespace vqt
