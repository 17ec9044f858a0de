// A map: pixels of a batch of frames, the channels of a pixel side by side (NHWC, torch's channels_last), and
// where a map of another size is read to resize it.
#pragma once

#include <algorithm>
#include <cstdint>

namespace vqt::cpu {

enum class MapDtype : uint8_t { kFloat32, kBFloat16 };

constexpr int64_t bytes_of(MapDtype dtype) { return dtype == MapDtype::kFloat32 ? 4 : 2; }

struct Map {
  void* data = nullptr;
  MapDtype dtype = MapDtype::kFloat32;
  int64_t frames = 0, height = 0, width = 0, channels = 0;
  int64_t frame_stride = 0, row_stride = 0, pixel_stride = 0;  // in values; a channel's is 1

  char* pixel(int64_t frame, int64_t y, int64_t x) const {
    return static_cast<char*>(data) +
           (frame * frame_stride + y * row_stride + x * pixel_stride) * bytes_of(dtype);
  }
};

// Bilinear resizing with aligned corners: result i lies between values `low` and `high`, `weight` of the way;
// the value is low + (high - low) * weight, each step rounded. torch computes index and weight in the same way.
struct ResizeAt {
  int64_t low, high;
  float weight;
};
inline ResizeAt resize_at(int64_t i, int64_t in, int64_t out) {
  const float step = out > 1 ? static_cast<float>(in - 1) / static_cast<float>(out - 1) : 0.0f;
  const float at = step * static_cast<float>(i);
  const int64_t low = std::min(static_cast<int64_t>(at), in - 1);
  return {low, std::min(low + 1, in - 1), std::clamp(at - static_cast<float>(low), 0.0f, 1.0f)};
}

}  // namespace vqt::cpu
