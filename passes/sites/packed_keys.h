// The keys of vqt/packed_cache.h: a text with all that a packed weight depends on.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "passes/sites/find_sites.h"
#include "vqt/config.h"
#include "vqt/scheme.h"

namespace vqt {

// layout as in pack_weight.
std::string packed_key(const Site& site, const Scheme& scheme, const std::string& layout);

// The keys of all sites that these configs quantize.
std::set<std::string> packed_keys(const SiteTable& table, const std::vector<QuantizationConfig>& configs);

}  // namespace vqt
