// Which packed weights this build reads and writes. Torch-free.
#pragma once

#include <cstdint>

namespace vqt {

// The version in the header of every packed weight; the ops refuse others. vqt.json names it.
int64_t packed_format_version();

}  // namespace vqt
