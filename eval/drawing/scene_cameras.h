// A model's cameras, and the pixels that its points are made of, in the pixels of the image files. Torch-free.
#pragma once

#include <cstdint>
#include <vector>

#include "eval/results/cloud_figure.h"
#include "loader/images/placement.h"

namespace vqt {

// encodings: [n][9], as decode_pose takes them, of frames in which the images are placed so. The principal
// point is the middle of the frame, as VGGT has it.
std::vector<SceneCamera> scene_cameras(const std::vector<double>& encodings,
                                       const std::vector<Placement>& placements, Size frame);

// Where these pixels of the frames (one frame after the other) are in the files. A pixel is where VGGT has it
// when it makes points of depth, at whole numbers, so that its point is seen there by the cameras above.
std::vector<ScenePixel> scene_pixels(const std::vector<int64_t>& indices,
                                     const std::vector<Placement>& placements, Size frame);

}  // namespace vqt
