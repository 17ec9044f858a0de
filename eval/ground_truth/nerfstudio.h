// A scene of nerfstudio, instant-ngp or Blender: transforms.json with, for every image, camera to world in
// OpenGL's axes (x right, y up, z backward). Poses alone are scored.
#pragma once

#include "eval/ground_truth/scene_layout.h"

namespace vqt {

extern const SceneLayout kNerfstudioLayout;

}  // namespace vqt
