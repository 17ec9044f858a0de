// Packed weights as tensors; cpu/layout/packed_weight.h defines the bytes.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "cpu/layout/packed_weight.h"

namespace vqt {

// A weight argument is packed when it is uint8 and comes without scales of its own.
inline bool is_packed(const at::Tensor& weight, const std::optional<at::Tensor>& scale) {
  return weight.scalar_type() == at::kByte && !scale.has_value();
}

// The zero points of a canonical weight: a 0 for each scale where there are none.
at::Tensor zeros_unless_given(const std::optional<at::Tensor>& zero_point, const at::Tensor& scale);

struct PackedBlock {
  at::Tensor bytes;  // contiguous; keeps block alive
  cpu::PackedHeader header;
  const uint8_t* block = nullptr;
};

// Checks the header against the tensor.
PackedBlock open_packed(std::string_view op, std::string_view argument, const at::Tensor& packed);
// The same for the CPU's kernels, which read floats in place: copied where it is a view into somebody's storage and
// not aligned; packed again, with a warning once, where it is in the layout of the CUDA kernels.
PackedBlock open_aligned(std::string_view op, std::string_view argument, const at::Tensor& packed);

}  // namespace vqt
