// int4 on AVX2: which way a call goes.
#include "cpu/linear/linear_int4_kernel.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kMaxFewRows = 8;  // above, unpacking once is faster

}  // namespace

void linear_int4_avx2(const LinearInt4& a, Range rows, Range columns) {
  if (rows.size() <= 0 || columns.size() <= 0) return;
  (rows.size() <= kMaxFewRows ? linear_int4_small_m_avx2 : linear_int4_large_m_avx2)(a, rows, columns);
}

}  // namespace vqt::cpu
