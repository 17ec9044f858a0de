// What vqt throws, apart from torch's own c10::Error. Torch-free.
#pragma once

#include <stdexcept>

namespace vqt {

// The work cannot be done: a damaged file, a model that does not fit, NaN in a weight. The programs exit with 1.
struct Error : std::runtime_error {
  using std::runtime_error::runtime_error;
};

// What was asked for cannot be used: a flag, a field of a config. The message names it, what was expected and what
// came. The programs exit with 2.
struct UsageError : Error {
  using Error::Error;
};

}  // namespace vqt
