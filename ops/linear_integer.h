// What linear_int8 and linear_int4 share: the way from checked arguments to a kernel.
#pragma once

#include <ATen/core/Tensor.h>

#include <string_view>

#include "cpu/activation.h"
#include "cpu/epilogue.h"
#include "linear_args.h"
#include "linear_plan.h"
#include "pack_weight.h"
#include "parallel.h"

namespace vqt {

// One call whose arguments are checked and whose x is quantized.
struct LinearCall {
  const PackedBlock& weight;
  cpu::ActivationRows x;
  RowSlice rows;  // of the weight, columns of the result
  cpu::Epilogue out;
};
using RunLinear = void (*)(const LinearCall& call);

// Runs a kernel over the tasks of its plan.
template <class Job>
void run_planned(const LinearCall& call, const Job& job,
                 void (*kernel)(const Job& job, cpu::Range rows, cpu::Range columns)) {
  const cpu::PackedHeader& h = call.weight.header;
  const LinearPlan plan = plan_linear(
      {call.x.rows, call.rows.begin, call.rows.end, h.k, h.bits, at::get_num_threads(), cpu::best_isa()});
  print_plan_once(plan);
  at::parallel_for(0, plan.tasks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) kernel(job, plan.rows(task), plan.columns(task));
  });
}

// weight: packed. run: the kernels for the layout of panels; canonical blocks are computed by the reference.
at::Tensor linear_integer(std::string_view op, int64_t bits, const at::Tensor& x, const at::Tensor& weight,
                          const LinearArgs& args, RunLinear run);

// The result without data. weight: [rows, anything].
at::Tensor linear_meta(std::string_view op, const at::Tensor& x, const at::Tensor& weight,
                       const LinearArgs& args);

}  // namespace vqt
