// What the environment says about glibc's malloc. Torch-free.
#pragma once

#include <string>
#include <vector>

namespace vqt {

// "NAME=value" of each variable MALLOC_*, and of GLIBC_TUNABLES where it speaks of malloc. Where there is one,
// its user chose how memory is given and returned, and nothing of ours changes it.
std::vector<std::string> malloc_settings();

}  // namespace vqt
