// The rows of heads where a projection left them: float32, read in place.
#pragma once

#include <cstdint>

namespace vqt::cpu {

struct HeadRows {
  const float* data = nullptr;
  int64_t batch = 0, head = 0, token = 0;  // strides, in floats

  const float* row(int64_t b, int64_t h, int64_t t) const { return data + b * batch + h * head + t * token; }
};

}  // namespace vqt::cpu
