#include <cmath>
#include <cstring>

#include "cpu/conv/conv_steps.h"

namespace vqt::cpu {
namespace {

float load(const char* values, MapDtype dtype, int64_t i) {
  float value;
  if (dtype == MapDtype::kFloat32) {
    std::memcpy(&value, values + 4 * i, 4);
    return value;
  }
  uint16_t half;
  std::memcpy(&half, values + 2 * i, 2);
  const uint32_t bits = static_cast<uint32_t>(half) << 16;
  std::memcpy(&value, &bits, 4);
  return value;
}

// To the nearest, ties to even; every NaN is 0x7fc0, as torch's.
void store_value(char* values, MapDtype dtype, int64_t i, float value) {
  if (dtype == MapDtype::kFloat32) {
    std::memcpy(values + 4 * i, &value, 4);
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint16_t half =
      std::isnan(value) ? 0x7fc0 : static_cast<uint16_t>((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  std::memcpy(values + 2 * i, &half, 2);
}

float lerp(float a, float b, float weight) { return a + (b - a) * weight; }

void finish(float v, const StoreStep& step, const PixelStore& s, int64_t c) {
  if (s.y == nullptr) return;
  if (step.bias != nullptr) v += step.bias[c];
  if (s.residual != nullptr) v += load(s.residual, step.residual_dtype, c);
  if (s.low[0] != nullptr) {
    const auto corner = [&](int i) { return load(s.low[i], step.low_dtype, c); };
    v += lerp(lerp(corner(0), corner(2), s.low_y), lerp(corner(1), corner(3), s.low_y), s.low_x);
  }
  if (step.relu) v = 0.0f > v ? 0.0f : v;
  store_value(s.y, step.y_dtype, c, v);
}

void winograd_input(const char* const (&pixels)[16], MapDtype dtype, int64_t channels, float* v,
                    int64_t stride) {
  for (int64_t c = 0; c < channels; ++c) {
    float t[4][4];
    for (int j = 0; j < 4; ++j) {
      float d[4];
      for (int i = 0; i < 4; ++i) d[i] = load(pixels[4 * i + j], dtype, c);
      t[0][j] = d[0] - d[2], t[1][j] = d[1] + d[2], t[2][j] = d[2] - d[1], t[3][j] = d[1] - d[3];
    }
    for (int i = 0; i < 4; ++i) {
      float* to = v + 4 * i * stride + c;
      to[0] = t[i][0] - t[i][2], to[stride] = t[i][1] + t[i][2];
      to[2 * stride] = t[i][2] - t[i][1], to[3 * stride] = t[i][1] - t[i][3];
    }
  }
}

void winograd_store(const float* m, int64_t stride, const StoreStep& step, const PixelStore (&stores)[4]) {
  for (int64_t c = 0; c < step.columns; ++c) {
    float s[2][4];
    for (int j = 0; j < 4; ++j) {
      const auto at = [&](int i) { return m[(4 * i + j) * stride + c]; };
      s[0][j] = at(0) + at(1) + at(2), s[1][j] = at(1) - at(2) - at(3);
    }
    for (int i = 0; i < 2; ++i) {
      finish(s[i][0] + s[i][1] + s[i][2], step, stores[2 * i], c);
      finish(s[i][1] - s[i][2] - s[i][3], step, stores[2 * i + 1], c);
    }
  }
}

void store(const float* v, const StoreStep& step, const PixelStore& to) {
  for (int64_t c = 0; c < step.columns; ++c) finish(v[c], step, to, c);
}

void read(const char* pixel, MapDtype dtype, int64_t channels, float* to) {
  for (int64_t c = 0; c < channels; ++c) to[c] = load(pixel, dtype, c);
}

void lerp_values(const float* a, const float* b, float weight, const float* plus, int64_t n, float* to) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = lerp(a[i], b[i], weight);
    to[i] = plus == nullptr ? v : v + plus[i];
  }
}

}  // namespace

const ConvSteps& conv_steps_ref() {
  static constexpr ConvSteps kSteps = {winograd_input, winograd_store, store, read, lerp_values};
  return kSteps;
}

}  // namespace vqt::cpu
