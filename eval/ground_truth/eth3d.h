// Ground truth of a scene in ETH3D's layout:
//   images/dslr_images_undistorted/NAME                     the images
//   dslr_calibration_undistorted/{cameras,images}.txt       COLMAP text, PINHOLE
//   ground_truth_depth/dslr_images_undistorted/NAME         raw float32, row by row, of the camera's size; or
//   ground_truth_depth/dslr_images/NAME                     where a file has that size; or else
//   dslr_calibration_undistorted/points3D.txt               the points seen in each image
#pragma once

#include <string>
#include <vector>

#include "eval/ground_truth/colmap.h"
#include "loader/images/placement.h"

namespace vqt {

extern const char* const kEth3dPictures;  // the images' folder in a scene's

struct PictureTruth {
  bool known = false;  // false: images.txt does not have it, nothing below is set
  PinholeCamera camera;
  Pose pose;
  std::string depth_file;    // empty: none
  std::vector<Vec3> points;  // in the world; used where there is no depth file
};

struct SceneTruth {
  std::string folder;
  std::vector<PictureTruth> pictures;  // one for every name asked for
  std::string depth_source;            // folder of the depth files, or points3D.txt; empty: no depth
  std::vector<std::string> notes;      // what is missing
};

// Images are matched by file name; where that finds none, by file name without its extension. Throws
// Error, also where no image at all is matched.
SceneTruth read_eth3d(const std::string& folder, const std::vector<std::string>& names);

// Ground truth of the pixels of a frame.
struct FrameTruth {
  std::vector<float> depth;   // [height][width] along the optical axis, in scene units; 0: unknown
  std::vector<float> points;  // [height][width][3] in the world; undefined where depth is 0
};

// A frame's pixel gets the ground truth at its centre (nearest), without any averaging; of several points in
// a pixel the nearest to the camera counts. Throws Error: an image of another shape than its
// camera, a depth file that cannot be read.
FrameTruth sample_truth(const PictureTruth& truth, const Placement& placement, Size frame,
                        const std::string& name);

}  // namespace vqt
