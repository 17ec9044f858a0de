#include "weight_only.h"

#include <ATen/ops/addmm.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/mm.h>

#include <algorithm>

#include "kernel_scope.h"
#include "parallel.h"

namespace vqt {
namespace {

constexpr int64_t kBlockValues = 1 << 20;  // 4 MB of scratch: fewer, larger products run faster
constexpr int64_t kRowsPerTask = 8;

}  // namespace

at::Tensor weight_only_linear(const at::Tensor& x, int64_t row_begin, int64_t row_end,
                              const DequantizeRows& dequantize_rows, const std::optional<at::Tensor>& bias) {
  const KernelScope scope;
  const int64_t k = x.size(-1), n = row_end - row_begin;
  std::vector<int64_t> sizes = x.sizes().vec();
  sizes.back() = n;
  int64_t m = 1;
  for (size_t i = 0; i + 1 < sizes.size(); ++i) m *= sizes[i];

  const at::Tensor x2 =
      x.to(at::kFloat).reshape({m, k}).contiguous();  // strides would change a product's last bits
  const at::TensorOptions options = x2.options();
  at::Tensor y = at::empty({m, n}, options);
  const at::Tensor bias_float = bias.has_value() ? bias->to(at::kFloat) : at::Tensor();
  const int64_t block =
      std::clamp<int64_t>(kBlockValues / std::max<int64_t>(k, 1), 16, std::max<int64_t>(n, 16));
  const at::Tensor scratch = at::empty({std::min(block, n), k}, options);
  for (int64_t row = 0; row < n && m > 0; row += block) {
    const int64_t rows = std::min(block, n - row);
    float* out = scratch.mutable_data_ptr<float>();
    at::parallel_for(0, rows, kRowsPerTask, [&](int64_t begin, int64_t end) {
      dequantize_rows(row_begin + row + begin, row_begin + row + end, out + begin * k);
    });
    const at::Tensor weight = scratch.narrow(0, 0, rows).t();
    at::Tensor part = y.narrow(1, row, rows);
    if (bias_float.defined()) {
      at::addmm_out(part, bias_float.narrow(0, row, rows), x2, weight);
    } else {
      at::mm_out(part, x2, weight);
    }
  }
  return y.view(sizes).to(x.scalar_type());
}

}  // namespace vqt
