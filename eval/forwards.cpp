#include "forwards.h"

#include <ATen/ops/cat.h>
#include <ATen/ops/stack.h>
#include <fmt/format.h>

#include <stdexcept>

namespace vqt {
namespace {

bool is_frame_axis(const std::vector<at::Tensor>& parts, const std::vector<int64_t>& counts, int64_t axis) {
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].dim() != parts[0].dim() || parts[i].size(axis) != counts[i]) return false;
    for (int64_t d = 0; d < parts[i].dim(); ++d) {
      if (d != axis && parts[i].size(d) != parts[0].size(d)) return false;
    }
  }
  return true;
}

at::Tensor join(const std::string& name, const std::vector<at::Tensor>& parts,
                const std::vector<int64_t>& counts, int64_t preferred_axis) {
  if (preferred_axis < parts[0].dim() && is_frame_axis(parts, counts, preferred_axis)) {
    return at::cat(parts, preferred_axis);
  }
  for (int64_t axis = 0; axis < parts[0].dim(); ++axis) {
    if (is_frame_axis(parts, counts, axis)) return at::cat(parts, axis);
  }
  for (const at::Tensor& part : parts) {
    if (part.sizes() != parts[0].sizes()) {
      throw std::runtime_error(
          fmt::format("output {}: its shape differs between forwards in more than the number of frames; run "
                      "without --frames",
                      name));
    }
  }
  return at::stack(parts);
}

}  // namespace

NamedTensors join_forwards(const std::vector<NamedTensors>& parts, const std::vector<int64_t>& counts,
                           int64_t preferred_axis) {
  if (parts.size() == 1) return parts[0];
  NamedTensors joined;
  for (size_t k = 0; k < parts[0].size(); ++k) {
    std::vector<at::Tensor> tensors;
    for (const NamedTensors& part : parts) {
      if (part.size() != parts[0].size() || part[k].first != parts[0][k].first) {
        throw std::runtime_error(
            fmt::format("output {}: not returned by every forward; run without --frames", parts[0][k].first));
      }
      tensors.push_back(part[k].second);
    }
    joined.emplace_back(parts[0][k].first, join(parts[0][k].first, tensors, counts, preferred_axis));
  }
  return joined;
}

}  // namespace vqt
