#include "loader/cli/image_flags.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "vqt/error.h"

namespace vqt::cli {
namespace {

constexpr TextKind kChannels{"R,G,B", "three finite numbers R,G,B"};

// "0.5,0.5,0.5" or three values; left alone where the flag was not given.
void read(const char* flag, const std::vector<std::string>& typed, std::array<double, 3>& channels) {
  if (typed.empty()) return;
  const std::string all = fmt::format("{}", fmt::join(typed, ","));
  std::vector<double> numbers;
  for (size_t begin = 0; begin <= all.size();) {
    const size_t end = std::min(all.find(',', begin), all.size());
    double number = 0;
    if (!parse_number(all.substr(begin, end - begin), number)) refuse_value(flag, kChannels.expected, all);
    numbers.push_back(number);
    begin = end + 1;
  }
  if (numbers.size() != channels.size()) refuse_value(flag, kChannels.expected, all);
  std::copy(numbers.begin(), numbers.end(), channels.begin());
}

}  // namespace

void add_image_flags(Flags& flags, ImageOptions& options, TypedChannels& typed, const std::string& layout) {
  flags.choice(
      "--preprocess", options.preprocess, kPreprocessNames,
      "crop: width image-size, height rounded to 14, middle kept; pad: the longer side image-size, white "
      "around");
  flags.integer("--image-size", options.image_size, {kPatch, kMany, kPatch}, "PX",
                "pixels, a multiple of 14");
  flags.choice("--input-layout", options.layout, kInputLayoutNames,
               "what the model takes: bshw [1,S,3,H,W], bchw [S,3,H,W]", layout);
  flags.texts("--mean", typed.mean, kChannels, "subtracted from RGB in [0,1] [0,0,0]");
  flags.texts("--std", typed.std, kChannels, "then divided by [1,1,1]");
}

void read_channels(const TypedChannels& typed, ImageOptions& options) {
  read("--mean", typed.mean, options.mean);
  read("--std", typed.std, options.std);
  if (std::count(options.std.begin(), options.std.end(), 0.0) > 0)
    throw UsageError(
        fmt::format("--std: expected numbers other than 0, got {}", fmt::join(options.std, ",")));
}

}  // namespace vqt::cli
