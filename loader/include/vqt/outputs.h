// What a model returned as a flat list of named tensors, and how two such lists differ.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <limits>
#include <string>
#include <utility>
#include <vector>

namespace vqt {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;

// Every tensor in any nest of tuples, named tuples, lists and dictionaries, in order; nested paths joined by
// dots ("heads.0.depth"), a bare tensor is "output". Numbers become tensors of one element; None and strings
// are left out. Throws Error where the value holds no tensor at all.
NamedTensors flatten_outputs(const c10::IValue& value);

// Over all elements, in double. NaN where an input is not finite.
struct Difference {
  std::string path;
  double mae = 0, max_error = 0;
  double cosine = 1;                                         // 1 where both are all zero, 0 where one is
  double sqnr_db = std::numeric_limits<double>::infinity();  // 10 log10(|reference|^2 / |reference - got|^2)
  bool finite = true;   // got holds no NaN and no Inf where the reference is finite
  std::string problem;  // another shape, missing in one of the two, NaN; empty where they can be compared
};

// One entry per path of either list, in the order of the reference.
std::vector<Difference> compare_tensors(const NamedTensors& reference, const NamedTensors& got);

}  // namespace vqt
