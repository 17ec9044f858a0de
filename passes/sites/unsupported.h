// The reason why a site cannot be quantized.
#pragma once

#include <string>

#include "passes/ir/constant_values.h"
#include "passes/sites/find_sites.h"

namespace vqt {

// Keeps the first reason.
void mark_unsupported(Site& site, const std::string& reason);
// By its tensor: shape, dtype, layout; and whether a method assigns to it.
void check_tensors(const ConstantValues& constants, SiteTable& table);
// By its uses other than linears. Also adds the fast paths and the uses of metadata to the sites.
void check_uses(const ModelGraphs& model, SiteTable& table);

}  // namespace vqt
