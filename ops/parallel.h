// at::parallel_for, with the guarantee that it uses threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#ifndef INTRA_OP_PARALLEL
#error "without OpenMP torch's parallel_for is a loop on one thread: compile this file as vqt_use_torch does"
#endif

namespace vqt {

// Rows a task needs at least, to be worth a thread where a row's work is one pass over its values.
inline int64_t rows_per_task(int64_t values_per_row) {
  constexpr int64_t kValuesPerTask = 1 << 15;
  return std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(values_per_row, 1));
}

}  // namespace vqt
