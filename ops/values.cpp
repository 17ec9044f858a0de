#include "ops/values.h"

#include <cmath>
#include <vector>

#include "ops/check.h"
#include "ops/parallel.h"

namespace vqt {

cpu::ValueRange tensor_range(const at::Tensor& x) {
  constexpr int64_t kValuesPerTask = 1 << 16;
  const float* data = x.const_data_ptr<float>();
  return at::parallel_reduce(
      0, x.numel(), kValuesPerTask, cpu::ValueRange(),
      [&](int64_t begin, int64_t end, const cpu::ValueRange& so_far) {
        return cpu::merge(so_far, cpu::value_range(data + begin, end - begin));
      },
      cpu::merge);
}

void check_finite(std::string_view op, std::string_view argument, const at::Tensor& x) {
  const float* data = x.const_data_ptr<float>();
  int64_t count = 0, first = 0;
  for (int64_t i = x.numel() - 1; i >= 0; --i) {
    if (std::isfinite(data[i])) continue;
    ++count;
    first = i;
  }
  if (count == 0) return;
  const std::string value = std::to_string(data[first]);
  std::vector<int64_t> index(x.dim());
  for (int64_t d = x.dim() - 1; d >= 0; --d) {
    index[d] = first % x.size(d);
    first /= x.size(d);
  }
  fail_value(op, argument, "finite numbers",
             std::to_string(count) + " NaN or Inf, the first (" + value + ") at " + describe(index));
}

}  // namespace vqt
