// The command line of vqt-quantize.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "loader/cli/values.h"
#include "loader/images/image_options.h"
#include "vqt/config.h"
#include "vqt/error.h"
#include "vqt/fields.h"

namespace vqt::cli {

struct Options {
  std::string in, out;
  std::string config, preset;
  FlagValues fields;                   // single fields of the config given as flags
  std::vector<std::string> inputs;     // files
  std::string calibration;             // folder of images
  ImageOptions images;                 // how those become inputs
  bool any_layout = true;              // of images: the one that the model takes
  std::vector<std::string> libraries;  // of operators, loaded before the model
  bool list = false, json = false, dry_run = false, repack = false, verify = false, speed_guard = false;
  bool quiet = false;
  std::vector<int64_t> frames;  // of the forecast that --list prints; empty with max_memory empty: none
  PixelSize size{518, 392};
  std::optional<int64_t> max_memory;  // bytes
  double min_cosine = 0.9;

  bool has_forecast() const { return !frames.empty() || max_memory.has_value(); }
  bool has_config() const { return !config.empty() || !preset.empty() || !fields.empty(); }
};

// nullopt where print is what --help or --version ask for. Throws UsageError.
std::optional<Options> parse_options(const std::vector<std::string>& arguments, std::string& print);

// File or preset, then the field flags over it. Throws UsageError.
QuantizationConfig config_from(const Options& options);

// What only the file system and the config can say: OUT = IN, a missing folder, static without images.
// Throws UsageError.
void check_options(const Options& options, const QuantizationConfig& config);

}  // namespace vqt::cli
