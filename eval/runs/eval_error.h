// A worker failed, or models do not fit each other.
#pragma once

#include <stdexcept>
#include <string>

namespace vqt {

// The message says what and why. exit_code is 1, or 2 where a config does not fit the model.
struct EvalError : std::runtime_error {
  EvalError(const std::string& what, int exit_code) : std::runtime_error(what), exit_code(exit_code) {}
  int exit_code;
};

}  // namespace vqt
