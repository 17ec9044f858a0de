// The graph pass: a TorchScript module in, the same module with quantized linears out.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "vqt/config.h"
#include "vqt/error.h"
#include "vqt/fusion_count.h"
#include "vqt/packed_cache.h"
#include "vqt/plan.h"
#include "vqt/site.h"

namespace vqt {

using QuantizeError = Error;  // no layer left to quantize, already quantized, NaN in a weight

// One row of the table of sites, in order of sites.
struct SiteReport {
  std::string name;
  int64_t n = 0, k = 0;
  std::string action;  // "quantized" or "float"
  std::string scheme;  // shorthand, e.g. w8a8; "float32" and the like when kept
  std::string reason;  // why float, or which rule chose the scheme
  int64_t calls = 0;
  int64_t bytes_before = 0, bytes_after = 0;
  double weight_sqnr_db = std::numeric_limits<double>::quiet_NaN();  // inf: exact
  // Filled where an input is given (QuantizeOptions::measure), NaN otherwise: of the first call, and the time of all
  // calls of one forward.
  double output_sqnr_db = std::numeric_limits<double>::quiet_NaN();
  double ms_float = std::numeric_limits<double>::quiet_NaN();
  double ms_quantized = std::numeric_limits<double>::quiet_NaN();
};

struct Report {
  QuantizationConfig config;
  std::vector<SiteReport> sites;
  std::vector<FusionCount> fusions_made;  // one for each that config.fusions asks for
  std::vector<std::string> warnings;
  int64_t sites_reused = 0;  // whose packed weight QuantizeOptions::packed had
};

// forward's arguments for one run, `self` left out; false when there are no more.
using InputSource = std::function<bool(std::vector<c10::IValue>& arguments)>;
// Called as work goes on: what is being done, how far (done of total).
using Progress = std::function<void(const std::string& stage, int64_t done, int64_t total)>;

struct QuantizeOptions {
  InputSource calibration;  // needed for activation static
  InputSource measure;  // where given, each site's output SQNR and times are measured on its first arguments
  bool speed_guard =
      false;  // sites whose quantized linears measure slower than float stay float; needs measure
  const PackedCache* packed = nullptr;  // packed weights made for other configs of this model
  Progress progress;
};

// The input module is not changed; parameters that stay float share their memory with it. Pass it with std::move to let its float weights go as they are replaced.
// Throws UsageError (the config does not fit this model) or Error.
torch::jit::Module quantize(torch::jit::Module model, const QuantizationConfig& config, Report& report,
                            const QuantizeOptions& options = {});

// The sites of a float model in the order of sites.
std::vector<SiteInfo> list_sites(const torch::jit::Module& model);
// The table of sites of any model, float or quantized; of a float one with config also what the config would do
// (bytes_after predicted, no weight read).
std::vector<SiteReport> describe_sites(const torch::jit::Module& model,
                                       const QuantizationConfig* config = nullptr);

bool is_quantized(const torch::jit::Module& model);

// Packs every quantized weight anew for this machine. Returns how many changed their layout. Works in place.
int64_t repack(torch::jit::Module& model);

}  // namespace vqt
