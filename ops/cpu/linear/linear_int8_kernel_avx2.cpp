// int8 on AVX2: which rows and columns go which way.
#include <algorithm>

#include "cpu/layout/packed_weight.h"
#include "cpu/linear/few_rows_int8_avx2.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/linear/strassen_int8_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kFewRows = 32;

}  // namespace

void linear_int8_avx2(const LinearInt8& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  // widening weights pays from some rows on
  const int64_t many =
      rows.size() < kFewRows ? rows.begin : rows.begin + rows.size() / kBlockRows * kBlockRows;
  const int64_t first_panel = columns.begin / kPanel, panels = (columns.end - 1) / kPanel + 1 - first_panel;
  const int64_t paired = std::min(columns.end, (first_panel + panels / 2 * 2) * kPanel);
  if (many > rows.begin && panels > 1) {
    strassen(a, {rows.begin, many}, {columns.begin, paired});
    if (paired < columns.end) direct(a, {rows.begin, many}, {paired, columns.end});
    if (many < rows.end) direct(a, {many, rows.end}, columns);
  } else {
    direct(a, rows, columns);
  }
}

}  // namespace vqt::cpu
