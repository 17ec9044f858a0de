// cameras.bin, images.bin, points3D.bin: little-endian numbers one after the other, first of all how many
// records follow. Rotations of the images are as written, not of length 1.
#pragma once

#include "eval/ground_truth/colmap.h"

namespace vqt {

ColmapCameras read_binary_cameras(const std::string& path);
std::vector<ColmapImage> read_binary_images(const std::string& path);
ColmapPoints read_binary_points(const std::string& path);

}  // namespace vqt
