// The kinds of folders that --ground-truth takes. Each is a file of its own: eth3d, colmap_scene, seven_scenes,
// tum, nerfstudio.
#pragma once

#include <string>
#include <vector>

#include "eval/ground_truth/scene_truth.h"

namespace vqt {

struct SceneLayout {
  const char* name;
  const char* files;  // that make up such a folder, for errors
  bool (*recognised)(const std::string& folder);
  const char* image_ending;  // of images' names, where depth maps lie beside them; empty: all are images
  // The folder of the images. Throws Error.
  std::string (*images)(const std::string& folder);
  // Poses and depth of images of these names (match_names). Throws Error.
  SceneTruth (*read)(const std::string& folder, const std::vector<std::string>& names);
};

// The layout of a folder, by its files. Throws Error: no such folder; none, with a list of the layouts.
const SceneLayout& scene_layout(const std::string& folder);

// As its layout reads it. What is left out is in its notes. Throws Error, also where no image at all is found.
SceneTruth read_scene(const std::string& folder, const std::vector<std::string>& names);

}  // namespace vqt
