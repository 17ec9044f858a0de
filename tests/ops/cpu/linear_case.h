// What the tests of the linears share: the kernels to test, shapes by intent, splits into tasks.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "cpu/isa.h"
#include "cpu/layout/activation.h"
#include "cpu/linear/linear_kernel.h"
#include "cpu/range.h"
#include "tests/case_random.h"

namespace vqt::cpu {

struct Shape {
  int64_t m, n, k;
};

// Whether to test it here: VQT_ISA, read by best_isa(), leaves one instruction set and the reference.
inline bool tested(Isa isa) {
  return available(isa) && (isa == Isa::kRef || std::getenv("VQT_ISA") == nullptr || isa == best_isa());
}

// The kernels of one kind (function_of: linear_int8_kernel and its like) that this CPU has, the reference first.
template <class Fn>
std::vector<LinearKernel> available_kernels(Fn (*function_of)(LinearKernel)) {
  std::vector<LinearKernel> kernels;
  for (const LinearKernel kernel : kLinearKernels) {
    if (function_of(kernel) != nullptr && available(isa_of(kernel))) kernels.push_back(kernel);
  }
  return kernels;
}

// Those of them that VQT_ISA leaves.
template <class Fn>
std::vector<LinearKernel> tested_kernels(Fn (*function_of)(LinearKernel)) {
  std::vector<LinearKernel> kernels;
  for (const LinearKernel kernel : available_kernels(function_of)) {
    if (tested(isa_of(kernel))) kernels.push_back(kernel);
  }
  return kernels;
}

// Cuts 0..size at about `parts` uneven places.
inline std::vector<Range> split(int64_t begin, int64_t end, int64_t parts, std::mt19937& random) {
  std::vector<Range> ranges;
  while (begin < end) {
    const int64_t most = std::max<int64_t>(1, 2 * (end - begin) / std::max<int64_t>(1, parts));
    const int64_t next = parts <= 1 ? end : std::min(end, begin + 1 + static_cast<int64_t>(random() % most));
    ranges.push_back({begin, next});
    begin = next;
    --parts;
  }
  return ranges;
}

// A quantized activation with memory of its own: rows [rows][k] of u8, and bytes from k on that are 0.
struct Activations {
  std::vector<uint8_t> block;
  QuantizedRows rows;

  Activations(const std::vector<uint8_t>& values, const std::vector<float>& scale,
              const std::vector<int32_t>& zero, int64_t k, int64_t tile)
      : block((scale.size() + 1) * activation_bytes_per_row(k), 0),
        rows(activation_rows(block.data(), static_cast<int64_t>(scale.size()), k, tile)) {
    for (int64_t r = 0; r < rows.rows; ++r) {
      rows.scale[r] = scale[r];
      rows.zero[r] = zero[r];
      for (int64_t i = 0; i < k; ++i) {
        const uint8_t v = values[r * k + i];
        rows.q[rows.offset(r, i / 4 * 4) + i % 4] = v;
        rows.sum[r] += v;
      }
    }
  }
};

// Calls kernel on every cell of an uneven grid over rows and columns, last cell first.
template <class Kernel, class Job>
void run_split(Kernel kernel, const Job& job, Range rows, Range columns, int64_t parts,
               std::mt19937& random) {
  const std::vector<Range> row_ranges = split(rows.begin, rows.end, parts, random);
  const std::vector<Range> column_ranges = split(columns.begin, columns.end, parts, random);
  for (auto r = row_ranges.rbegin(); r != row_ranges.rend(); ++r) {
    for (auto c = column_ranges.rbegin(); c != column_ranges.rend(); ++c) kernel(job, *r, *c);
  }
}

// Bits, so that NaN and -0 count too. Empty where equal, else the first difference.
inline std::string difference(const std::vector<float>& expected, const std::vector<float>& got) {
  for (size_t i = 0; i < expected.size(); ++i) {
    if (std::memcmp(&expected[i], &got[i], sizeof(float)) == 0) continue;
    return "element " + std::to_string(i) + ": expected " + std::to_string(expected[i]) + ", got " +
           std::to_string(got[i]);
  }
  return "";
}

}  // namespace vqt::cpu
