#include "cpu/linear_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>

#include "cpu/layout/panel.h"

namespace vqt {
namespace {

constexpr int64_t kRowTile = 12,
                  kColumnTile = 2 * cpu::kPanel;  // multiples of what any kernel's main loop takes at a time
constexpr int64_t kProductsPerTask = int64_t{1} << 19;  // below it a thread costs more than it saves
// Preparing a row of x in the kernel costs about as much as 20 columns of it on AVX2; the kernels that
// multiply u8 as it lies only read it once more. A column of the weight (read from memory) costs as much
// as 12 rows.
int64_t row_cost(cpu::Isa isa) { return isa == cpu::Isa::kAvxVnni || isa == cpu::Isa::kAvx512Vnni ? 2 : 20; }
constexpr int64_t kColumnCost = 12;

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// Columns are cut at multiples of a panel, counted from the panel that holds the first one.
int64_t first_panel_column(const LinearProblem& p) { return p.column_begin / cpu::kPanel * cpu::kPanel; }

}  // namespace

cpu::Range LinearPlan::rows(int64_t task) const {
  const int64_t begin = task / column_tasks * rows_per_task;
  return {begin, std::min(begin + rows_per_task, problem.rows)};
}

cpu::Range LinearPlan::columns(int64_t task) const {
  const int64_t begin = first_panel_column(problem) + task % column_tasks * columns_per_task;
  return {std::max(begin, problem.column_begin), std::min(begin + columns_per_task, problem.column_end)};
}

LinearPlan plan_linear(const LinearProblem& p) {
  LinearPlan best;
  best.problem = p;
  const int64_t columns = p.column_end - first_panel_column(p);
  if (p.rows == 0 || p.column_end == p.column_begin) return best;
  const int64_t products = p.rows * (p.column_end - p.column_begin) * p.k;
  const int64_t most = std::clamp<int64_t>(products / kProductsPerTask, 1, p.threads);
  int64_t best_cost = INT64_MAX;
  for (int64_t row_tasks = 1; row_tasks <= most; ++row_tasks) {
    const int64_t rows = std::min(p.rows, round_up(divide_up(p.rows, row_tasks), kRowTile));
    const int64_t width = std::min(columns, round_up(divide_up(columns, most / row_tasks), kColumnTile));
    const int64_t cost = rows * width + row_cost(p.isa) * rows + kColumnCost * width;
    if (cost >= best_cost) continue;
    best_cost = cost;
    best.rows_per_task = rows;
    best.columns_per_task = width;
    best.row_tasks = divide_up(p.rows, rows);
    best.column_tasks = divide_up(columns, width);
  }
  return best;
}

std::string to_string(const LinearPlan& plan) {
  const LinearProblem& p = plan.problem;
  const auto number = [](int64_t value) { return std::to_string(value); };
  std::string columns = number(p.column_end - p.column_begin);
  if (p.column_begin != 0) columns += " (from column " + number(p.column_begin) + ")";
  return "int" + number(p.bits) + " " + number(p.rows) + " x " + number(p.k) + " -> " + columns + " " +
         cpu::to_string(p.isa) + ", " + number(p.threads) + (p.threads == 1 ? " thread: " : " threads: ") +
         number(plan.row_tasks) + " x " + number(plan.column_tasks) + " tasks of " +
         number(plan.rows_per_task) + " x " + number(plan.columns_per_task);
}

void print_plan_once(const LinearPlan& plan) {
  static const bool wanted = [] {
    const char* value = std::getenv("VQT_PRINT_PLAN");
    return value != nullptr && std::string(value) == "1";
  }();
  if (!wanted) return;
  static std::mutex mutex;
  static std::set<std::string> printed;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::string line = to_string(plan);
  if (printed.insert(line).second) std::fprintf(stderr, "vqt: plan: %s\n", line.c_str());
}

}  // namespace vqt
