#include "ops/heads.h"

namespace vqt {

at::Tensor as_heads(const at::Tensor& x) {
  at::Tensor heads = x.to(at::kFloat);
  if (heads.stride(-1) != 1) heads = heads.contiguous();
  while (heads.dim() < 4) heads = heads.unsqueeze(0);
  return heads.dim() > 4 ? heads.flatten(0, -4) : heads;
}

cpu::HeadRows head_rows(const at::Tensor& heads) {
  return {heads.const_data_ptr<float>(), heads.stride(0), heads.stride(1), heads.stride(2)};
}

}  // namespace vqt
