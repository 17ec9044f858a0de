// Why the weight of a site has to stay float.
#pragma once

#include <string>

#include "passes/sites/find_sites.h"
#include "passes/sites/known_values.h"

namespace vqt {

// The first reason holds.
void refuse(Site& site, const std::string& reason);
// What follows from the tensor alone: its shape, dtype and layout, and whether a method assigns to it.
void refuse_by_tensor(const KnownValues& known, SiteTable& table);
// What follows from other uses of it than linears. Notes the fast paths and reads of metadata on the way.
void refuse_by_use(const ModelGraphs& model, SiteTable& table);

}  // namespace vqt
