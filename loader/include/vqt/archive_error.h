// The one error of everything that reads or writes files.
#pragma once

#include <stdexcept>

namespace vqt {

// The file cannot be read or written; the message names the file, the record, what was
// expected and what came.
struct ArchiveError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

}  // namespace vqt
