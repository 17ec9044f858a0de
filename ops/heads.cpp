#include "ops/heads.h"

#include <algorithm>
#include <vector>

namespace vqt {

at::Tensor as_heads(const at::Tensor& x) {
  at::Tensor heads = x.to(at::kFloat);
  if (heads.stride(-1) != 1) heads = heads.contiguous();
  while (heads.dim() < 4) heads = heads.unsqueeze(0);
  return heads.dim() > 4 ? heads.flatten(0, -4) : heads;
}

at::Tensor expand_heads(const at::Tensor& x, c10::IntArrayRef result) {
  std::vector<int64_t> sizes = result.vec();
  std::copy(x.sizes().end() - 2, x.sizes().end(), sizes.end() - 2);
  return x.expand(sizes);
}

cpu::HeadRows head_rows(const at::Tensor& heads) {
  return {heads.const_data_ptr<float>(), heads.stride(0), heads.stride(1), heads.stride(2)};
}

}  // namespace vqt
