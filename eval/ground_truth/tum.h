// A sequence of TUM's RGB-D data set:
//   rgb.txt            timestamp, image (rgb/1305031102.175304.png)
//   depth.txt          timestamp, depth map (depth/...): 16 bits, 5000 is a metre, 0 is unknown
//   groundtruth.txt    timestamp, tx ty tz qx qy qz qw: camera to world, metres
// The three are recorded at times of their own: an image gets the nearest of the others within 0.02 s, as the
// data set's associate.py does it.
#pragma once

#include "eval/ground_truth/scene_layout.h"

namespace vqt {

extern const SceneLayout kTumLayout;

}  // namespace vqt
