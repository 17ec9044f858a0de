// The width of a panel: packed weights (packed_weight.h) and the kernels that read them count
// columns in panels.
#pragma once

#include <cstdint>

namespace vqt::cpu {

constexpr int64_t kPanel = 16;  // columns of one weight panel

}  // namespace vqt::cpu
