// Reads the points of a scene's first forward pass in a model's outputs, for the clouds of the report.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "eval/compare/score_ground_truth.h"
#include "eval/drawing/draw_cloud.h"
#include "loader/images/images.h"

namespace vqt {

// The float model decides which pixels are shown, so that every model shows the same ones.
class SceneCloud {
 public:
  // Unset: the model returns neither world_points nor depth with poses, or no point is left.
  // percent, most: see shown_pixels.
  static std::optional<SceneCloud> of(const OutputsFile& reference, const std::vector<JoinedOutput>& outputs,
                                      const ImageFile& images, double percent, int64_t most);

  ModelPoints points(const OutputsFile& model) const;
  CloudPoints& shown() { return shown_; }

 private:
  Size frame_;
  std::vector<Placement> placements_;  // of the first forward pass
  TruthOutputs outputs_;
  std::vector<int64_t> pixels_;
  CloudPoints shown_;
};

}  // namespace vqt
