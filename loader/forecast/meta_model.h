// A model on meta tensors, which have sizes and no data: what a forward pass needs, without running one.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <vector>

#include "loader/forecast/op_totals.h"

namespace vqt {

struct ForwardNeeds {
  int64_t bytes = 0;  // of tensors beside the weights that are alive at once, at most
  OpTotals ops;       // work alone
};

class MetaModel {
 public:
  // model: not changed, none of its data is read (LoadOptions::structure_only is enough).
  explicit MetaModel(const torch::jit::Module& model);

  // Parameters, buffers and constants; memory that tensors share counts once, except packed weights, which
  // with_shared_weights shares.
  int64_t weight_bytes() const { return weight_bytes_; }

  // float32 of these sizes as the only argument. The interpreter frees each tensor after its last use, as it does in a
  // forward pass; scratch memory inside operators is not seen. Throws Error: the model does not take them, or what it
  // computes depends on data.
  ForwardNeeds forward(const std::vector<int64_t>& sizes) const;

 private:
  torch::jit::Module model_;
  int64_t weight_bytes_ = 0;
};

}  // namespace vqt
