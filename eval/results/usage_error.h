// Bad usage of vqt-eval. Torch-free.
#pragma once

#include <stdexcept>

namespace vqt {

// The message names the flag first. Exit code 2.
struct UsageError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace vqt
