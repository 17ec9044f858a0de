// at::parallel_for; including it here guarantees that it uses threads.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>

#ifndef INTRA_OP_PARALLEL
#error "without OpenMP torch's parallel_for is a loop on one thread: compile this file as vqt_use_torch does"
#endif

namespace vqt {

// The fewest rows that are worth a thread, where the work on a row is one pass over its values.
inline int64_t rows_per_task(int64_t values_per_row) {
  constexpr int64_t kValuesPerTask = 1 << 15;
  return std::max<int64_t>(1, kValuesPerTask / std::max<int64_t>(values_per_row, 1));
}

}  // namespace vqt
