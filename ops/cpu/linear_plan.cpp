#include "cpu/linear_plan.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <mutex>
#include <set>

#include "cpu/layout/panel.h"

namespace vqt {
namespace {

using cpu::Isa;
using cpu::LinearKernel;

constexpr int64_t kTaskRows = 12,
                  kTaskColumns = 2 * cpu::kPanel;  // multiples of what any kernel's main loop takes at a time
constexpr int64_t kProductsPerTask = int64_t{1} << 19;  // below it a thread costs more than it saves
// Preparing a row of x in the kernel costs about as much as 20 columns of it on AVX2; the kernels that
// multiply u8 in place only read it once more. A column of the weight (read from memory) costs as much
// as 12 rows.
int64_t row_cost(Isa isa) { return isa == Isa::kAvxVnni || isa == Isa::kAvx512Vnni ? 2 : 20; }
constexpr int64_t kColumnCost = 12;

constexpr int64_t kLeastRowsAmx = 24;       // two tiles; below, memory sets the pace of AVX512-VNNI, too
constexpr int64_t kAmxDepth = 64;           // k has to be a multiple of it
constexpr int64_t kLeastRowsStrassen = 32;  // from here on widening weights costs less than it saves
constexpr int64_t kMostRowsSmallMInt4 = 8;  // above, unpacking once is faster
constexpr int64_t kMostRowsSmallMInt4Avx512 = 24;  // two tiles
constexpr int64_t kMostRowsSmallMFloat = 16;       // above, weights that are made float once are faster
constexpr int64_t kMostRowsPortableFloat = 16;     // above, torch's product is faster than portable code

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

// Columns are cut at multiples of a panel, counted from the panel that holds the first one.
int64_t first_panel_column(const LinearShape& s) { return s.column_begin / cpu::kPanel * cpu::kPanel; }

LinearKernel weight_only_kernel(const LinearShape& s) {
  if (!s.has_layout) return LinearKernel::kWeightOnlyTorch;
  const bool small = s.rows <= kMostRowsSmallMFloat;
  switch (s.isa) {
    case Isa::kRef:
    case Isa::kAmx:  // never a shape's
      return s.rows <= kMostRowsPortableFloat ? LinearKernel::kWeightOnlyRef : LinearKernel::kWeightOnlyTorch;
    case Isa::kAvx2:
    case Isa::kAvxVnni:
      return small ? LinearKernel::kWeightOnlySmallMAvx2 : LinearKernel::kWeightOnlyLargeMAvx2;
    case Isa::kAvx512Vnni:
      break;
  }
  return small ? LinearKernel::kWeightOnlySmallMAvx512Vnni : LinearKernel::kWeightOnlyLargeMAvx512Vnni;
}

// rows, columns: of a task.
LinearKernel int8_kernel(const LinearShape& s, int64_t rows, cpu::Range columns) {
  if (s.amx == cpu::AmxUse::kAlways) return LinearKernel::kInt8Torch;
  switch (s.isa) {
    case Isa::kRef:
    case Isa::kAmx:
      break;
    case Isa::kAvx2: {
      const int64_t panels = divide_up(columns.end, cpu::kPanel) - columns.begin / cpu::kPanel;
      return rows >= kLeastRowsStrassen && panels > 1 ? LinearKernel::kInt8StrassenAvx2
                                                      : LinearKernel::kInt8DirectAvx2;
    }
    case Isa::kAvxVnni:
      return LinearKernel::kInt8AvxVnni;
    case Isa::kAvx512Vnni:
      return s.amx == cpu::AmxUse::kWhereItPays && rows >= kLeastRowsAmx && s.k % kAmxDepth == 0
                 ? LinearKernel::kInt8Amx
                 : LinearKernel::kInt8Avx512Vnni;
  }
  return LinearKernel::kInt8Ref;
}

LinearKernel int4_kernel(const LinearShape& s, int64_t rows) {
  switch (s.isa) {
    case Isa::kRef:
    case Isa::kAmx:
      break;
    case Isa::kAvx2:
      return rows <= kMostRowsSmallMInt4 ? LinearKernel::kInt4SmallMAvx2 : LinearKernel::kInt4LargeMAvx2;
    case Isa::kAvxVnni:
      return LinearKernel::kInt4AvxVnni;
    case Isa::kAvx512Vnni:
      return rows <= kMostRowsSmallMInt4Avx512 ? LinearKernel::kInt4SmallMAvx512Vnni
                                               : LinearKernel::kInt4LargeMAvx512Vnni;
  }
  return LinearKernel::kInt4Ref;
}

LinearKernel choose_kernel(const LinearShape& s, int64_t rows, cpu::Range columns) {
  if (s.weight_only) return weight_only_kernel(s);
  if (!s.has_layout) return LinearKernel::kCanonical;
  return s.bits == 4 ? int4_kernel(s, rows) : int8_kernel(s, rows, columns);
}

// The cut that wastes least on uneven shares and on preparing rows and columns twice.
void cut(LinearPlan& plan) {
  const LinearShape& s = plan.shape;
  const int64_t columns = s.column_end - first_panel_column(s);
  const int64_t products = s.rows * (s.column_end - s.column_begin) * s.k;
  const int64_t most = std::clamp<int64_t>(products / kProductsPerTask, 1, s.threads);
  int64_t best_cost = INT64_MAX;
  for (int64_t row_tasks = 1; row_tasks <= most; ++row_tasks) {
    const int64_t rows = std::min(s.rows, round_up(divide_up(s.rows, row_tasks), kTaskRows));
    const int64_t width = std::min(columns, round_up(divide_up(columns, most / row_tasks), kTaskColumns));
    const int64_t cost = rows * width + row_cost(s.isa) * rows + kColumnCost * width;
    if (cost >= best_cost) continue;
    best_cost = cost;
    plan.rows_per_task = rows;
    plan.columns_per_task = width;
    plan.row_tasks = divide_up(s.rows, rows);
    plan.column_tasks = divide_up(columns, width);
  }
}

std::string number(int64_t value) { return std::to_string(value); }

// "288 x 32 x 1024": of a task, or of the whole product.
std::string block_text(const LinearPlan& plan) {
  const LinearShape& s = plan.shape;
  const bool whole = plan.tasks() == 0;
  const auto part = [](int64_t size, int64_t all) { return number(size == 0 ? all : std::min(size, all)); };
  return part(plan.block.rows, whole ? s.rows : plan.rows_per_task) + " x " +
         part(plan.block.columns, whole ? s.column_end - s.column_begin : plan.columns_per_task) + " x " +
         part(plan.block.depth, s.k);
}

}  // namespace

cpu::Range LinearPlan::rows(int64_t task) const {
  const int64_t begin = task / column_tasks * rows_per_task;
  return {begin, std::min(begin + rows_per_task, shape.rows)};
}

cpu::Range LinearPlan::columns(int64_t task) const {
  const int64_t begin = first_panel_column(shape) + task % column_tasks * columns_per_task;
  return {std::max(begin, shape.column_begin), std::min(begin + columns_per_task, shape.column_end)};
}

LinearPlan plan_linear(const LinearShape& shape, const cpu::CacheSizes& caches) {
  LinearPlan plan;
  plan.shape = shape;
  const bool empty = shape.rows == 0 || shape.column_end == shape.column_begin;
  if (!empty) cut(plan);
  plan.kernel = choose_kernel(shape, plan.rows_per_task, empty ? cpu::Range{} : plan.columns(0));
  plan.block = cpu::linear_block(plan.kernel, shape.rows, shape.k, shape.group, caches);
  if (is_torch(plan.kernel))
    plan.row_tasks = plan.column_tasks = plan.rows_per_task = plan.columns_per_task = 0;
  return plan;
}

std::string to_string(const LinearPlan& plan) {
  const LinearShape& s = plan.shape;
  std::string text = "int" + number(s.bits) + (s.weight_only ? " weight-only " : " ") + number(s.rows) +
                     " x " + number(s.k) + " -> " + number(s.column_end - s.column_begin);
  if (s.column_begin != 0) text += " (from column " + number(s.column_begin) + ")";
  text += std::string(" ") + cpu::to_string(s.isa) + ", " + number(s.threads) +
          (s.threads == 1 ? " thread: " : " threads: ");
  if (!is_torch(plan.kernel)) {
    text += number(plan.row_tasks) + " x " + number(plan.column_tasks) + " tasks of " +
            number(plan.rows_per_task) + " x " + number(plan.columns_per_task) + ", ";
  }
  text += to_string(plan.kernel);
  if (plan.block.columns != 0) text += " in blocks of " + block_text(plan);
  return text;
}

void print_plan_once(const LinearPlan& plan) {
  static const bool enabled = [] {
    const char* value = std::getenv("VQT_PRINT_PLAN");
    return value != nullptr && std::string(value) == "1";
  }();
  if (!enabled) return;
  static std::mutex mutex;
  static std::set<std::string> printed;
  const std::lock_guard<std::mutex> lock(mutex);
  const std::string line = to_string(plan);
  if (printed.insert(line).second) std::fprintf(stderr, "vqt: plan: %s\n", line.c_str());
}

}  // namespace vqt
