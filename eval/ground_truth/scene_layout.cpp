#include "eval/ground_truth/scene_layout.h"

#include <fmt/format.h>

#include <filesystem>

#include "eval/ground_truth/colmap_scene.h"
#include "eval/ground_truth/eth3d.h"
#include "eval/ground_truth/nerfstudio.h"
#include "eval/ground_truth/seven_scenes.h"
#include "eval/ground_truth/tum.h"
#include "vqt/error.h"

namespace vqt {
namespace {

// Tried in this order: nerfstudio's folders often hold a COLMAP model beside, whose points give depth, too.
const SceneLayout* const kLayouts[] = {&kEth3dLayout, &kColmapLayout, &kSevenScenesLayout, &kTumLayout,
                                       &kNerfstudioLayout};

// Views of a panorama: cameras that turn in one place.
void note_cameras_in_one_place(SceneTruth& truth) {
  int64_t pairs = 0, together = 0;
  for (size_t i = 0; i < truth.pictures.size(); ++i) {
    for (size_t k = i + 1; k < truth.pictures.size(); ++k) {
      if (!truth.pictures[i].known || !truth.pictures[k].known) continue;
      ++pairs;
      together += !apart(truth.pictures[i], truth.pictures[k]);
    }
  }
  if (together == 0) return;
  truth.notes.push_back(fmt::format(
      "ground truth: in {} of {} pairs of images the cameras are in one place, up to the rounding "
      "of their poses; only their rotation is scored",
      together, pairs));
}

}  // namespace

const SceneLayout& scene_layout(const std::string& folder) {
  if (!std::filesystem::is_directory(folder)) {
    throw Error(fmt::format(
        "{}: {}", folder,
        std::filesystem::exists(folder) ? "is a file; expected the folder of a scene" : "no such folder"));
  }
  for (const SceneLayout* layout : kLayouts) {
    if (layout->recognised(folder)) return *layout;
  }
  std::string text =
      fmt::format("{}: expected a scene with ground truth, got a folder without its files; one of", folder);
  for (const SceneLayout* layout : kLayouts) text += fmt::format("\n  {}: {}", layout->name, layout->files);
  throw Error(text);
}

SceneTruth read_scene(const std::string& folder, const std::vector<std::string>& names) {
  const SceneLayout& layout = scene_layout(folder);
  SceneTruth truth = layout.read(folder, names);
  truth.layout = layout.name;
  note_cameras_in_one_place(truth);
  return truth;
}

}  // namespace vqt
