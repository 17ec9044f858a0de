// The fusions: each a function on a graph that returns what it made and what it had to leave. docs/config.md
// describes them.
#pragma once

#include <vector>

#include "passes/fusion/fusion_graph.h"
#include "passes/fusion/fusion_result.h"

namespace vqt {

// linear -> gelu (exact) or relu: post_op.
FusionResult fuse_gelu_relu(FusionGraph& graph);
// linear -> times a parameter per channel -> plus another tensor: gamma, residual. Either may be missing.
FusionResult fuse_residual(FusionGraph& graph);
// x * cos + rotated(x) * sin, with or without a layer norm before it: vqt::rotary.
FusionResult fuse_rotary(FusionGraph& graph);
// vqt::rotary or layer norm of q and of k -> vqt::attention: one op.
FusionResult fuse_attention_prologue(FusionGraph& graph);
// One tensor read by several integer linears: vqt::quantize_activation once.
FusionResult fuse_shared_input(FusionGraph& graph);
// layer_norm -> the one linear or quantize_activation that reads it: vqt::layer_norm_quantize.
FusionResult fuse_layer_norm(FusionGraph& graph);
// linear -> the one static linear that reads it: the first one stores u8.
FusionResult fuse_static_output(FusionGraph& graph);
// convolution -> sums with a map and with a resized one -> relu: residual, low, relu. Each may be missing.
FusionResult fuse_convolution(FusionGraph& graph);
// resizing (-> position embedding) -> 3 x 3 convolution: x_size, pos_x, pos_y.
FusionResult fuse_resize(FusionGraph& graph);

struct Fusion {
  const char* name;  // in the config field `fusions`
  FusionResult (*run)(FusionGraph& graph);
};
// In the order in which they run; fuse.cpp has the reason.
const std::vector<Fusion>& all_fusions();

}  // namespace vqt
