#include "cpu/norm/rotary_kernel.h"

#include <vector>

namespace vqt::cpu {

void rotary_ref(const Rotary& a, Range tokens) {
  std::vector<float> normed(a.d);
  for (int64_t i = tokens.begin; i < tokens.end; ++i) {
    const int64_t b = i / a.tokens, t = i % a.tokens;
    for (int64_t h = 0; h < a.heads; ++h) {
      const float *x = a.x.row(b, h, t), *cos = a.cos.row(b, h, t), *sin = a.sin.row(b, h, t);
      float* y = a.y + ((b * a.heads + h) * a.tokens + t) * a.d;
      if (a.normed) {
        norm_row_ref(a.norm, x, a.d, normed.data());
        x = normed.data();
      }
      for (int64_t j = 0; j < a.d; ++j) {
        const bool first = j / a.part % 2 == 0;
        y[j] = x[j] * cos[j] + (first ? -x[j + a.part] : x[j - a.part]) * sin[j];
      }
    }
  }
}

}  // namespace vqt::cpu
