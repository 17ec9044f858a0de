// The shorthand that tables print for a scheme and its activations (vqt/scheme.h), read back as a quant_type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

namespace vqt {

struct Shorthand {
  int64_t bits;
  std::optional<int64_t> group_size;  // -1: one group per row
  bool float_activations;
};

// w8a8, w8a16, w4a8, w4a8-g64, w4a16-row, w16a16 and so on, in letters of any case; empty: something else.
std::optional<Shorthand> parse_shorthand(const std::string& text);

}  // namespace vqt
