// --max-memory: how many frames fit.
#pragma once

#include <cstdint>
#include <optional>

#include "loader/cli/flags.h"

namespace vqt::cli {

void add_max_memory_flag(Flags& flags, std::optional<int64_t>& bytes);

}  // namespace vqt::cli
