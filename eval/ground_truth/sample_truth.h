// Ground truth of an image in the frame that a model is fed.
#pragma once

#include <string>
#include <vector>

#include "eval/ground_truth/scene_truth.h"
#include "loader/images/placement.h"

namespace vqt {

// Ground truth of the pixels of a frame.
struct FrameTruth {
  std::vector<float> depth;   // [height][width] along the optical axis, in scene units; 0: unknown
  std::vector<float> points;  // [height][width][3] in the world; undefined where depth is 0
  std::string problem;        // why its depth file is not used, so that all depth is unknown; empty: none
};

// A frame's pixel gets the ground truth at its centre (nearest), without any averaging; of several points in
// a pixel the nearest to the camera counts. Throws Error: an image of another shape than its
// camera.
FrameTruth sample_truth(const PictureTruth& truth, const Placement& placement, Size frame,
                        const std::string& name);

}  // namespace vqt
