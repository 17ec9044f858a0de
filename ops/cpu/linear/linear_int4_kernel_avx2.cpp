// int4 on AVX2: which way a call goes.
#include "cpu/linear/few_rows_int4_avx2.h"
#include "cpu/linear/linear_int4_kernel.h"
#include "cpu/linear/many_rows_int4_avx2.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kMaxFewRows = 8;  // above, unpacking once is faster

}  // namespace

void linear_int4_avx2(const LinearInt4& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  (rows.size() <= kMaxFewRows ? few_rows : many_rows)(a, rows, columns);
}

}  // namespace vqt::cpu
