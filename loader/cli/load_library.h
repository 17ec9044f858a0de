// --load-library of both programs: libraries of operators that a model calls and torch does not have.
#pragma once

#include <exception>
#include <string>
#include <vector>

#include "loader/cli/flags.h"

namespace vqt::cli {

void add_library_flag(Flags& flags, std::vector<std::string>& files);

// In this order, before a model is loaded; they stay loaded. Those of torch's own libraries, and of Python's, that a
// file needs are loaded with it, as `import torch` would have done. Throws Error: a missing file, no library, a symbol
// that nothing defines.
void load_libraries(const std::vector<std::string>& files);

// error_text(e), and of an UnknownOperatorError the flag that helps.
std::string message_of(const std::exception& e);

}  // namespace vqt::cli
