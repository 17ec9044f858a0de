// Sites by name, and which of them share a weight.
#pragma once

#include "passes/sites/find_sites.h"

namespace vqt {

// The FQN of the owner; with the attribute where the owner has several weights, frozen.N for constants. Of several
// weights that are computed from one parameter the second is attribute_2.
void name_sites(const ModelGraphs& model, SiteTable& table);
// Gives the sites of one tensor one number.
void number_tied(SiteTable& table);

}  // namespace vqt
