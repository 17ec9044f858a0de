// A point cloud and its cameras as binary glTF 2.0, which browsers and Blender show. Torch-free.
#pragma once

#include <string>

#include "eval/results/cloud_figure.h"

namespace vqt {

// Points that are not finite are left out. The points' own coordinates are OpenCV's; the node above them and
// the cameras turns y up, as glTF has it. COLOR_0 is linear light, as glTF has it, in 16 bits.
std::string glb_file(const CloudFigure& figure, const CloudFigure::Cloud& cloud);

}  // namespace vqt
