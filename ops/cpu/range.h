// A half-open range of rows or columns.
#pragma once

#include <cstdint>

namespace vqt::cpu {

struct Range {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};

}  // namespace vqt::cpu
