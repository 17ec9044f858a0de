#include "cpu/conv/winograd_weight.h"

namespace vqt::cpu {
namespace {

// to[0], to[step], ...: the four combinations of a, b, c
void combine(float a, float b, float c, float* to, int64_t step) {
  to[0] = a;
  to[step] = ((a + c) + b) * 0.5f;
  to[2 * step] = ((a + c) - b) * 0.5f;
  to[3 * step] = c;
}

}  // namespace

void winograd_weight(const float* g, int64_t channels, float* u, int64_t stride) {
  for (int64_t c = 0; c < channels; ++c, g += 9) {
    float t[4][3];
    for (int j = 0; j < 3; ++j) combine(g[j], g[3 + j], g[6 + j], &t[0][j], 3);
    for (int i = 0; i < 4; ++i) combine(t[i][0], t[i][1], t[i][2], u + 4 * i * stride + c, stride);
  }
}

}  // namespace vqt::cpu
