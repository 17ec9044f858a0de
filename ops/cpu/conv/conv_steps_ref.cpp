#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

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

// v[16] of one channel
void transform(const char* const (&pixels)[kTilePositions], MapDtype dtype, int64_t c, float* v) {
  float t[4][4];
  for (int j = 0; j < 4; ++j) {
    float d[4];
    for (int i = 0; i < 4; ++i) d[i] = load(pixels[4 * i + j], dtype, c);
    t[0][j] = d[0] - d[2], t[1][j] = d[1] + d[2], t[2][j] = d[2] - d[1], t[3][j] = d[1] - d[3];
  }
  for (int i = 0; i < 4; ++i, v += 4) {
    v[0] = t[i][0] - t[i][2], v[1] = t[i][1] + t[i][2];
    v[2] = t[i][2] - t[i][1], v[3] = t[i][1] - t[i][3];
  }
}

// x: values of a row, kTilePositions apart
void quantize_row(const float* x, int64_t channels, const QuantizedRows& to, int64_t row) {
  float most = 0.0f;
  bool finite = true;
  for (int64_t c = 0; c < channels; ++c) {
    most = std::max(most, std::fabs(x[c * kTilePositions]));
    finite = finite && std::isfinite(x[c * kTilePositions]);
  }
  const bool zero = most < kLeastMagnitude;
  to.scale[row] = !finite ? std::numeric_limits<float>::quiet_NaN() : zero ? 1.0f : most / 127.0f;
  const float factor = zero ? 0.0f : 127.0f / most;
  for (int64_t c = 0; c < channels; ++c) {
    uint8_t& q = to.q[to.offset(row, c / 4 * 4) + c % 4];
    q = finite ? static_cast<uint8_t>(std::nearbyint(x[c * kTilePositions] * factor) + 128.0f) : 0;
  }
}

void winograd_rows(const WinogradTiles& a, const QuantizedRows (&rows)[kTilePositions], int64_t row,
                   float* work) {
  for (int64_t i = 0; i < a.count; ++i) {
    for (int64_t c = 0; c < a.channels; ++c) transform(a.pixels[i], a.dtype, c, work + c * kTilePositions);
    for (int64_t p = 0; p < kTilePositions; ++p) quantize_row(work + p, a.channels, rows[p], row + i);
  }
}

void winograd_store(const float* m, int64_t stride, const StoreStep& step, const PixelStore* stores) {
  for (int64_t c = 0; c < step.channels; ++c) {
    float s[2][4];
    for (int j = 0; j < 4; ++j) {
      const auto at = [&](int i) { return m[(4 * i + j) * stride + c]; };
      s[0][j] = at(0) + at(1) + at(2), s[1][j] = at(1) - at(2) - at(3);
    }
    for (int i = 0; i < 2; ++i) {
      finish(s[i][0] + s[i][1] + s[i][2], step, stores[2 * i], step.channel + c);
      finish(s[i][1] - s[i][2] - s[i][3], step, stores[2 * i + 1], step.channel + c);
    }
  }
}

void store(const float* v, const StoreStep& step, const PixelStore& to) {
  for (int64_t c = 0; c < step.channels; ++c) finish(v[c], step, to, step.channel + c);
}

void read(const char* pixel, MapDtype dtype, int64_t channels, float* to) {
  for (int64_t c = 0; c < channels; ++c) to[c] = load(pixel, dtype, c);
}

void lerp_values(const char* a, const char* b, MapDtype dtype, float weight, const float* plus, int64_t n,
                 float* to) {
  for (int64_t i = 0; i < n; ++i) {
    const float v = lerp(load(a, dtype, i), load(b, dtype, i), weight);
    to[i] = plus == nullptr ? v : v + plus[i];
  }
}

}  // namespace

const ConvSteps& conv_steps_ref() {
  static constexpr ConvSteps kSteps = {winograd_rows, winograd_store, store, read, lerp_values};
  return kSteps;
}

}  // namespace vqt::cpu
