#include "eval/runs/join_outputs.h"

#include <fmt/format.h>

#include <stdexcept>

#include "vqt/error.h"

namespace vqt {
namespace {
using Shape = std::vector<int64_t>;

bool is_frame_axis(const std::vector<Shape>& parts, const std::vector<ForwardOutputs>& passes, size_t axis) {
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].size() != parts[0].size() || parts[i][axis] != passes[i].count) return false;
    for (size_t d = 0; d < parts[i].size(); ++d) {
      if (d != axis && parts[i][d] != parts[0][d]) return false;
    }
  }
  return true;
}

JoinedOutput join(const std::string& path, const std::vector<Shape>& parts,
                  const std::vector<ForwardOutputs>& passes, int64_t preferred_axis) {
  JoinedOutput joined{path, parts[0], -1};
  for (int64_t i = -1; i < static_cast<int64_t>(parts[0].size()) && joined.frame_axis < 0; ++i) {
    const int64_t axis = i < 0 ? preferred_axis : i;
    if (axis < static_cast<int64_t>(parts[0].size()) &&
        is_frame_axis(parts, passes, static_cast<size_t>(axis)))
      joined.frame_axis = axis;
  }
  if (joined.frame_axis >= 0) {
    joined.shape[joined.frame_axis] = 0;
    for (const ForwardOutputs& f : passes) joined.shape[joined.frame_axis] += f.count;
    return joined;
  }
  for (const Shape& part : parts) {
    if (part != parts[0]) {
      throw Error(fmt::format(
          "output {}: its shape differs between forward passes in more than the number of frames; run "
          "without --frames",
          path));
    }
  }
  if (parts.size() > 1) joined.shape.insert(joined.shape.begin(), static_cast<int64_t>(parts.size()));
  return joined;
}

}  // namespace

std::vector<JoinedOutput> join_outputs(const std::vector<ForwardOutputs>& passes, int64_t preferred_axis) {
  std::vector<JoinedOutput> joined;
  for (size_t k = 0; k < passes.at(0).tensors.size(); ++k) {
    const std::string& path = passes[0].tensors[k].path;
    std::vector<Shape> shapes;
    for (const ForwardOutputs& f : passes) {
      if (f.tensors.size() != passes[0].tensors.size() || f.tensors[k].path != path) {
        throw Error(fmt::format("output {}: not returned by every forward pass; run without --frames", path));
      }
      shapes.push_back(f.tensors[k].shape);
    }
    joined.push_back(join(path, shapes, passes, preferred_axis));
  }
  return joined;
}

}  // namespace vqt
