// Runs a kernel over the tasks of a plan (linear_plan.h), on all threads.
#pragma once

#include "cpu/linear_plan.h"
#include "ops/parallel.h"

namespace vqt {

template <class Job>
void run_plan(const LinearPlan& plan, const Job& job,
              void (*kernel)(const Job& job, cpu::Range rows, cpu::Range columns)) {
  at::parallel_for(0, plan.tasks(), 1, [&](int64_t begin, int64_t end) {
    for (int64_t task = begin; task < end; ++task) kernel(job, plan.rows(task), plan.columns(task));
  });
}

}  // namespace vqt
