// Scenes in ETH3D's layout:
//   images/dslr_images_undistorted/NAME                     the images
//   dslr_calibration_undistorted/{cameras,images}           COLMAP's files, text or binary
//   ground_truth_depth/dslr_images_undistorted/NAME         raw float32, row by row, of the camera's size; or
//   ground_truth_depth/dslr_images/NAME                     where a file has that size; or else
//   dslr_calibration_undistorted/points3D                   the points seen in each image
#pragma once

#include "eval/ground_truth/scene_layout.h"

namespace vqt {

extern const SceneLayout kEth3dLayout;

}  // namespace vqt
