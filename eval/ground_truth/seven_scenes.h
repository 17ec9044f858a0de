// A sequence of 7-Scenes (Microsoft Research):
//   frame-000000.color.png    the image
//   frame-000000.depth.png    16 bits, millimetres; 65535 is unknown
//   frame-000000.pose.txt     4 x 4, camera to world, metres
// The data set gives no calibration. Its page names what KinectFusion made the poses with: 640 x 480, a focal
// length of 585 pixels, the principal point at (320, 240). Colour and depth are not registered; here they are
// taken as one camera.
#pragma once

#include "eval/ground_truth/scene_layout.h"

namespace vqt {

extern const SceneLayout kSevenScenesLayout;

}  // namespace vqt
