// The graph pass: a TorchScript module in, the same module with quantized linears out.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <string>
#include <vector>

#include "vqt/config.h"
#include "vqt/error.h"
#include "vqt/fusion_count.h"
#include "vqt/packed_cache.h"
#include "vqt/plan.h"
#include "vqt/site.h"
#include "vqt/site_report.h"

namespace vqt {

using QuantizeError = Error;  // no Linear layer to quantize, already quantized, NaN in a weight

struct Report {
  QuantizationConfig config;
  std::vector<SiteReport> sites;
  std::vector<FusionCount> fusions_made;  // one for each in config.fusions
  std::vector<std::string> warnings;
  // JSON object: what activation static was calibrated on, as the caller of quantize has it; empty: unknown or nothing.
  std::string calibration;
  int64_t sites_reused = 0;  // sites whose packed weight was in QuantizeOptions::packed
};

// The arguments of forward for one run, without `self`; false when there are no more.
using InputSource = std::function<bool(std::vector<c10::IValue>& arguments)>;
// Called during the work: the name of the stage, and how many steps of it are done.
using Progress = std::function<void(const std::string& stage, int64_t done, int64_t total)>;

struct QuantizeOptions {
  InputSource calibration;  // needed for activation static
  InputSource measure;      // each site's output SQNR and times are measured on its first arguments
  // Keeps sites in floating point whose quantized linears measure slower; needs measure.
  bool speed_guard = false;
  const PackedCache* packed = nullptr;  // packed weights made for other configs of this model
  Progress progress;
};

// The input module is not changed; float parameters of the result share their memory with it. Pass it with
// std::move to free each float weight once it is replaced. Throws UsageError (the config does not fit this
// model) or Error.
torch::jit::Module quantize(torch::jit::Module model, const QuantizationConfig& config, Report& report,
                            const QuantizeOptions& options = {});

// The sites of a float model in the order of sites.
std::vector<SiteInfo> list_sites(const torch::jit::Module& model);
// The layer table of any model, float or quantized; of a float one with config also its plan (bytes_after
// predicted, no weight read).
std::vector<SiteReport> describe_sites(const torch::jit::Module& model,
                                       const QuantizationConfig* config = nullptr);

bool is_quantized(const torch::jit::Module& model);

// Repacks every quantized weight for this machine's kernels, in place. Returns how many changed their layout.
int64_t repack(torch::jit::Module& model);
// The same, and updates the report: bytes_after of each site, and no warning about the canonical layout. A
// report without sites gets those of the model.
int64_t repack(torch::jit::Module& model, Report& report);

}  // namespace vqt
