// cameras.txt, images.txt, points3D.txt. Rotations of the images are as written, not of length 1.
#pragma once

#include "eval/ground_truth/colmap.h"

namespace vqt {

ColmapCameras read_text_cameras(const std::string& path);
std::vector<ColmapImage> read_text_images(const std::string& path);
ColmapPoints read_text_points(const std::string& path);

}  // namespace vqt
