// The one error of reading images.
#pragma once

#include <stdexcept>

namespace vqt {

// The folder or an image cannot be used; the message names it.
struct ImageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace vqt
