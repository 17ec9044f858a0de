// Winograd's F(2x2, 3x3) of a float weight: U = G g G' with G = [1 0 0; 1/2 1/2 1/2; 1/2 -1/2 1/2; 0 0 1].
#pragma once

#include <cstdint>

namespace vqt::cpu {

// g: [channels][3][3]. u[p * stride + c], position p = 4 * i + j.
void winograd_weight(const float* g, int64_t channels, float* u, int64_t stride);

}  // namespace vqt::cpu
