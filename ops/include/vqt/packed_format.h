// The size and the layout of packed weights, known before a weight is packed. Torch-free.
#pragma once

#include <cstdint>

#include "vqt/scheme.h"

namespace vqt {

// Of the packed format; archives keep it.
int64_t packed_format_version();

// Is there a layout that a fast CPU kernel reads? Otherwise weights of this scheme are canonical.
bool has_fast_layout(int64_t k, const Scheme& scheme);

// Bytes of the tensor that pack_weight makes of a weight [n, k], in the fast layout or in the canonical one.
int64_t packed_bytes(int64_t n, int64_t k, const Scheme& scheme, bool fast);

}  // namespace vqt
