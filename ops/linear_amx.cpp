#include "ops/linear_amx.h"

#include <ATen/ops/_int_mm.h>
#include <ATen/ops/empty.h>

#include <algorithm>

#include "cpu/layout/panel.h"
#include "cpu/linear/linear_sums_kernel.h"
#include "ops/parallel.h"

namespace vqt {
namespace {

constexpr int64_t kAmxRowsPerTask = 12;

}  // namespace

void run_int8_torch(const LinearPlan& plan, RowSlice rows, const cpu::LinearInt8Job& job) {
  cpu::count_run(plan.kernel);
  const int64_t m = job.x.rows, depth = job.w_depth(), block = plan.block.columns;
  const cpu::FinishSumsFn finish = cpu::finish_sums_kernel(cpu::best_isa());
  const at::Tensor x = at::empty({m, depth}, at::kChar);
  at::parallel_for(0, m, kAmxRowsPerTask, [&](int64_t begin, int64_t end) {
    cpu::shifted_rows(job, {begin, end}, x.mutable_data_ptr<int8_t>() + begin * depth);
  });
  const int64_t first = rows.begin / cpu::kPanel * cpu::kPanel;
  const int64_t last = (rows.end + cpu::kPanel - 1) / cpu::kPanel * cpu::kPanel;
  const at::Tensor weights = at::empty({std::min(block, last - first), depth}, at::kChar);
  for (int64_t column = first; column < last; column += block) {
    const int64_t width = std::min(block, last - column);
    at::parallel_for(0, width / cpu::kPanel, 4, [&](int64_t begin, int64_t end) {
      cpu::panel_columns(job, {column + begin * cpu::kPanel, column + end * cpu::kPanel},
                         weights.mutable_data_ptr<int8_t>() + begin * cpu::kPanel * depth);
    });
    const at::Tensor sums = at::_int_mm(x, weights.narrow(0, 0, width).t());
    const cpu::Range columns = {std::max(column, rows.begin), std::min(column + width, rows.end)};
    at::parallel_for(0, m, kAmxRowsPerTask, [&](int64_t begin, int64_t end) {
      const int32_t* from = sums.const_data_ptr<int32_t>() + begin * width + columns.begin - column;
      finish(job, from, width, {begin, end}, columns);
    });
  }
}

}  // namespace vqt
