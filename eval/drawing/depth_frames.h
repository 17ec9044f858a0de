// Reads the depth in a model's outputs for depth maps.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "eval/drawing/depth_maps.h"
#include "eval/runs/outputs_file.h"
#include "loader/images/images.h"

namespace vqt {

using DepthPlanes = std::vector<std::vector<float>>;  // [h * w] of each image

// Output path, the first `limit` images.
DepthPlanes depth_planes(const OutputsFile& file, const std::string& path, int64_t limit);

// The reference's planes with their photographs; no model yet.
std::vector<DepthFrame> depth_frames(DepthPlanes planes, const ImageFile& images);

}  // namespace vqt
