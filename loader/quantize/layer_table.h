// The layer table as text.
#pragma once

#include <string>
#include <vector>

#include "vqt/quantize.h"

namespace vqt::cli {

// One line per layer, its name first: shape, scheme, bytes, reason. Where planned, "-> w8a8" and both sizes.
std::string layer_lines(const std::vector<SiteReport>& sites, bool planned);

struct Totals {
  int64_t quantized_weights = 0;
  int64_t bytes_before = 0, bytes_after = 0;  // of the weights of all layers, a shared one counted at each
};
Totals totals(const std::vector<SiteReport>& sites);

// "fusions: 48 residual, 96 layer_norm", then a line for each reason why some were not made; empty where the config
// asks for none.
std::string fusion_lines(const std::vector<FusionCount>& fusions);

// "96 of 100 sites quantized: 90 w8a8, 6 w4a8-g64", a line like it for each other kind that the model has ("24 of 24
// attention sites quantized: 24 attention int8"), the reasons of what was kept, weight SQNR.
std::string summary(const std::vector<SiteReport>& sites);

// What of the file's size is the layers' weights; follows the line of the file, whose size is the model's.
std::string weights_line(const std::vector<SiteReport>& sites);

}  // namespace vqt::cli
