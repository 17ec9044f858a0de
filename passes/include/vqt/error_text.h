// What a user reads of an exception.
#pragma once

#include <exception>
#include <string>

namespace vqt {

// e.what() without what torch adds: the C++ backtrace of c10::Error, and TorchScript's traceback before the cause.
std::string error_text(const std::exception& e);

}  // namespace vqt
