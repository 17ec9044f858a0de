// Points of a scene, one per pixel: which pixels are shown, and the PLY file that viewers open. Torch-free.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "loader/images/placement.h"

namespace vqt {

// Outputs of the float model for the images of one forward pass: one value or point per pixel, row by row.
struct CloudSource {
  Size frame;
  std::vector<Placement> placements;  // one per image: its padding is never shown
  const float* points = nullptr;      // [images][height][width][3]
  const float* confidence = nullptr;  // [images][height][width], or null: all alike
};

struct ShownPixels {
  std::vector<int64_t> indices;     // rising, over all images of the forward pass
  std::optional<double> threshold;  // least confidence; unset: none was asked
};

// As VGGT's demo does it: what is below the given percentile of confidence (linear between neighbours, as
// numpy's) is dropped, 0 keeps all. Points that are not finite are dropped too. Of more than `most` that many
// are kept, evenly spread over the rest.
ShownPixels shown_pixels(const CloudSource& source, double percent, int64_t most);

// Of the shown pixels, [n][3].
std::vector<float> points_at(const float* points, const std::vector<int64_t>& indices);

bool finite_point(const float* point);

// Binary little-endian PLY: x y z float32, red green blue uint8. Points that are not finite are left out.
std::string ply_file(const std::vector<float>& points, const std::vector<uint8_t>& colours);

}  // namespace vqt
