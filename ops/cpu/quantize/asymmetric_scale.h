// The scale of an asymmetric range, for weights and activations.
#pragma once

namespace vqt::cpu {
// Internal linkage: a copy made in a file for one instruction set must not serve the others.
namespace {

// The scale of `steps` steps from min to max, min <= 0 <= max; finite where they are.
[[maybe_unused]] inline float asymmetric_scale(float min, float max, float steps) {
  const float range = max - min;
  return range - range == 0.0f ? range / steps : max / steps - min / steps;
}

}  // namespace
}  // namespace vqt::cpu
