// Outputs of several forwards over one scene, put together as if there had been one.
#pragma once

#include <vector>

#include "vqt/outputs.h"

namespace vqt {

// parts[i] are the outputs of a forward over counts[i] frames. An output is joined along its frame axis:
// preferred_axis where its size is the number of frames in every part, else the first other axis of which
// that is true. Where there is none the parts are stacked along a new first axis. Throws std::runtime_error
// where parts differ in names or shapes.
NamedTensors join_forwards(const std::vector<NamedTensors>& parts, const std::vector<int64_t>& counts,
                           int64_t preferred_axis);

}  // namespace vqt
