// From float weights to packed ones, and from aten::linear to vqt::linear_*.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "passes/ir/model_graph.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// One scale and zero point for a site's activations; only with activation static.
struct ActivationRange {
  double scale = 0.0;
  int64_t zero_point = 0;
};

// Throws Error where the weight holds NaN or Inf. layout as in pack_weight.
QuantizedWeight quantize_weight(const at::Tensor& weight, const Scheme& scheme, const std::string& layout,
                                const std::string& site);

// The op a scheme runs on ("vqt::linear_int8") and its arguments behind (x, weight, bias), by name.
std::string linear_op(const Scheme& scheme);
std::vector<std::pair<std::string, c10::IValue>> linear_arguments(const PlannedSite& plan,
                                                                  const ActivationRange& range,
                                                                  const RowRange& rows, int64_t n);

// linear becomes op(x, packed, bias, ...) with its place, name and type; linear is gone afterwards.
torch::jit::Node* rewrite_linear(torch::jit::Node* linear, torch::jit::Value* packed, const std::string& op,
                                 const std::vector<std::pair<std::string, c10::IValue>>& arguments);

// Cuts the fast paths that need a weight which is planned to go. True if there were any: nodes of the table
// may be gone.
bool cut_planned_fast_paths(const ModelGraphs& model, const SiteTable& table,
                            const std::vector<PlannedSite>& plan);

// Quantizes, packs and rewrites every planned site, letting each float weight go as soon as it is replaced,
// then takes the weights' attributes away. report.sites: one row a site, filled further. After
// cut_planned_fast_paths.
void quantize_linears(const ModelGraphs& model, SiteTable& table, const std::vector<PlannedSite>& plan,
                      const std::vector<ActivationRange>& ranges, const std::string& layout,
                      const QuantizeOptions& options, Report& report);

// Warns of attributes that no method reads and that keep a quantized weight in the archive.
void note_left_weights(const ModelGraphs& model, const SiteTable& table, std::vector<std::string>& warnings);

}  // namespace vqt
