// int8 on AVX2: which rows and columns go which way.
#include <algorithm>

#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int8_kernel.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kFewRows = 32, kBlockRows = 8;

}  // namespace

void linear_int8_avx2(const LinearInt8& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  // widening weights pays from some rows on
  const int64_t many =
      rows.size() < kFewRows ? rows.begin : rows.begin + rows.size() / kBlockRows * kBlockRows;
  const int64_t first_panel = columns.begin / kPanel, panels = (columns.end - 1) / kPanel + 1 - first_panel;
  const int64_t paired = std::min(columns.end, (first_panel + panels / 2 * 2) * kPanel);
  if (many > rows.begin && panels > 1) {
    linear_int8_strassen_avx2(a, {rows.begin, many}, {columns.begin, paired});
    if (paired < columns.end) linear_int8_direct_avx2(a, {rows.begin, many}, {paired, columns.end});
    if (many < rows.end) linear_int8_direct_avx2(a, {many, rows.end}, columns);
  } else {
    linear_int8_direct_avx2(a, rows, columns);
  }
}

}  // namespace vqt::cpu
