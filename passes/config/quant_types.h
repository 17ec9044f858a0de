// The fields that each quant_type fixes.
#pragma once

#include <array>
#include <optional>

#include "vqt/config.h"

namespace vqt {

constexpr const char* kMixed = "mixed_precision";

struct TypeFacts {  // int4_group leaves symmetric and group_size open
  const char* name;
  int64_t bits;
  std::optional<bool> per_channel, symmetric;
};
constexpr std::array<TypeFacts, 7> kTypes = {{
    {"int8_per_tensor_sym", 8, false, true},
    {"int8_per_tensor_asym", 8, false, false},
    {"int8_per_channel_sym", 8, true, true},
    {"int8_per_channel_asym", 8, true, false},
    {"int4_group", 4, std::nullopt, std::nullopt},
    {"int16_per_tensor_sym", 16, false, true},
    {"int16_per_channel_sym", 16, true, true},
}};

// Null for mixed_precision and for no quant_type at all.
inline const TypeFacts* facts(const SchemeFields& fields) {
  for (const TypeFacts& t : kTypes) {
    if (fields.quant_type == t.name) return &t;
  }
  return nullptr;
}

}  // namespace vqt
