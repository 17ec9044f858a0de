// Packed weights in a folder: each candidate of a run is quantized in a process of its own, and a site whose
// scheme is the same in several of them is quantized once.
#pragma once

#include <string>
#include <vector>

#include "vqt/packed_cache.h"

namespace vqt {

// One file per weight, written beside its place and renamed. One that cannot be read back as it was written
// is as good as none, and so is one that cannot be written. later: configs that are still to come; a file
// that none of them wants goes.
PackedCache packed_folder(const std::string& folder, std::vector<QuantizationConfig> later);

}  // namespace vqt
