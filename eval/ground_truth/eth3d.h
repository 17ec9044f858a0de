// Ground truth of a scene in ETH3D's layout:
//   images/dslr_images_undistorted/NAME                     the images
//   dslr_calibration_undistorted/{cameras,images}.txt       COLMAP text, PINHOLE
//   ground_truth_depth/dslr_images_undistorted/NAME         raw float32, row by row, of the camera's size; or
//   ground_truth_depth/dslr_images/NAME                     where a file has that size; or else
//   dslr_calibration_undistorted/points3D.txt               the points seen in each image
#pragma once

#include <string>
#include <vector>

#include "eval/ground_truth/scene_truth.h"

namespace vqt {

extern const char* const kEth3dPictures;  // the images' folder in a scene's

// Images are matched by file name; where that finds none, by file name without its extension. Throws
// Error, also where no image at all is matched.
SceneTruth read_eth3d(const std::string& folder, const std::vector<std::string>& names);

}  // namespace vqt
