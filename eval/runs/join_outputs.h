// Joins the outputs of several forward passes over one scene.
#pragma once

#include <vector>

#include "eval/runs/outputs_file.h"

namespace vqt {

struct JoinedOutput {
  std::string path;
  std::vector<int64_t> shape;
  int64_t frame_axis = -1;  // -1: not one axis holds the frames
};

// An output is joined along its frame axis: preferred_axis where its size is the number of frames in every
// forward pass, else the first other axis of which that is true. Where there is none, several forward passes
// are stacked along a new first axis. Throws Error where forward passes differ in names or
// shapes.
std::vector<JoinedOutput> join_outputs(const std::vector<ForwardOutputs>& passes, int64_t preferred_axis);

}  // namespace vqt
