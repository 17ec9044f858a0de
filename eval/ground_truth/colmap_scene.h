// Scenes of COLMAP: sparse/0/, sparse/ or the folder itself with cameras, images and points3D, binary or text,
// beside images/. Depth is that of the points seen in each image.
#pragma once

#include "eval/ground_truth/colmap.h"
#include "eval/ground_truth/scene_layout.h"

namespace vqt {

extern const SceneLayout kColmapLayout;

// What other layouts share: the poses and cameras of the images asked for, and which image of the files each
// is. Throws Error.
struct ColmapPoses {
  SceneTruth truth;
  std::vector<ColmapImage> images;  // one for every name asked for; without a name where it is unknown
};
ColmapPoses read_colmap_poses(const ColmapFiles& files, const std::string& folder,
                              const std::vector<std::string>& names);

// The points seen in each image. Those that are missing in the file are left out, with a note.
void add_colmap_points(const ColmapFiles& files, const std::vector<ColmapImage>& images, SceneTruth& truth);

}  // namespace vqt
