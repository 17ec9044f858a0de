// The flags of vqt-eval, a function for each group that --help shows.
#pragma once

#include <string>
#include <vector>

#include "eval/results/run_settings.h"
#include "loader/cli/flags.h"
#include "loader/cli/image_flags.h"

namespace vqt {

// Values as typed that only mean something together with other flags.
struct TypedValues {
  std::vector<std::string> searches, limits;
  cli::TypedChannels channels;
};

// Fills settings and typed when the result parses a command line; --model, --config and --preset are to be
// taken from what it returns, in the order typed. Both have to outlive it.
cli::Flags option_flags(RunSettings& settings, TypedValues& typed);

}  // namespace vqt
