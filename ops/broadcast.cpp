#include "ops/broadcast.h"

#include <ATen/native/TypeProperties.h>

#include <utility>

namespace vqt {

bool broadcast(c10::SymDimVector& sizes, c10::SymIntArrayRef other) {
  c10::SymDimVector result(sizes);
  if (other.size() > result.size()) {
    result.insert(result.begin(), other.size() - result.size(), c10::SymInt(1));
  }
  for (size_t i = 1; i <= other.size(); ++i) {
    c10::SymInt& size = result[result.size() - i];
    const c10::SymInt& theirs = other[other.size() - i];
    if (size == theirs || theirs == 1) continue;
    if (size != 1) return false;
    size = theirs;
  }
  sizes = std::move(result);
  return true;
}

at::ScalarType promoted_dtype(at::ScalarType dtype, const at::Tensor& other) {
  at::native::ResultTypeState state;
  state.dimResult = dtype;
  return at::native::result_type(at::native::update_result_type_state(other, state));
}

}  // namespace vqt
