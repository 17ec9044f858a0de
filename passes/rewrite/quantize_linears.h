// From float weights to packed ones, and from aten::linear and convolutions to vqt::linear_* and vqt::conv*.
#pragma once

#include <ATen/core/Tensor.h>

#include <string>
#include <vector>

#include "passes/ir/model_graph.h"
#include "passes/sites/find_attention.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"
#include "vqt/quantize.h"

namespace vqt {

// Scale and zero point of a site's activations; only with activation static.
struct ActivationRange {
  double scale = 0.0;
  int64_t zero_point = 0;
};

// Throws Error where the weight has NaN or Inf. layout as in pack_weight.
QuantizedWeight quantize_weight(const at::Tensor& weight, const Scheme& scheme, const std::string& layout,
                                const std::string& site);

// The op of a scheme ("vqt::linear_int8") and its arguments after (x, weight, bias), by name.
std::string linear_op(const Scheme& scheme);
std::vector<std::pair<std::string, c10::IValue>> linear_arguments(const PlannedSite& plan,
                                                                  const ActivationRange& range,
                                                                  const RowRange& rows, int64_t n);

// The same for a site of any kind; a convolution's weight is stored as the matrix of its form.
QuantizedWeight quantize_weight(const at::Tensor& weight, const Site& site, const Scheme& scheme,
                                const std::string& layout);
std::string integer_op(const Site& site, const Scheme& scheme);
std::vector<std::pair<std::string, c10::IValue>> integer_arguments(const Site& site, const PlannedSite& plan,
                                                                   const ActivationRange& range,
                                                                   const RowRange& rows);

// Replaces a linear or a convolution by op(x, packed, bias, ...) with the same place, name and type, and destroys it.
torch::jit::Node* rewrite_linear(torch::jit::Node* linear, torch::jit::Value* packed, const std::string& op,
                                 const std::vector<std::pair<std::string, c10::IValue>>& arguments);

// Cuts the fast paths that need a weight which the plan replaces, or that run in place of an attention which will be
// rewritten. True if there were any: nodes of the table
// may be destroyed.
bool cut_planned_fast_paths(const ModelGraphs& model, const SiteTable& table,
                            const std::vector<PlannedSite>& plan,
                            const std::vector<AttentionSite>& attention);

// Quantizes, packs and rewrites every planned site, frees each float weight once it is replaced, then removes
// the attributes of the weights. Adds bytes_after and SQNR to report.sites, one row per site. After
// cut_planned_fast_paths.
void quantize_linears(const ModelGraphs& model, SiteTable& table, const std::vector<PlannedSite>& plan,
                      const std::vector<ActivationRange>& ranges, const std::string& layout,
                      const QuantizeOptions& options, Report& report);

// Warns of attributes that no method reads and that keep the float weight of a site in the file.
void note_left_weights(const ModelGraphs& model, const SiteTable& table, std::vector<std::string>& warnings);

}  // namespace vqt
