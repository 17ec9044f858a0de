// How images become a model's input: the flags of both programs.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "loader/cli/flags.h"
#include "loader/images/image_options.h"

namespace vqt::cli {

// --preprocess, --image-size, --input-layout, --mean, --std.
inline const std::set<std::string> kImageFlags = {"--preprocess", "--image-size", "--input-layout", "--mean",
                                                  "--std"};

// --mean and --std as typed: one text R,G,B or three numbers.
struct TypedChannels {
  std::vector<std::string> mean, std;
};

// layout: what --help shows as the default of --input-layout; empty: the value in options.
void add_image_flags(Flags& flags, ImageOptions& options, TypedChannels& typed,
                     const std::string& layout = "");

// Once all flags are known. Throws UsageError.
void read_channels(const TypedChannels& typed, ImageOptions& options);

}  // namespace vqt::cli
