// Every softmax(q k^T * scale) v of a model: torch's op, products with a softmax between them, vqt::attention.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <string>
#include <vector>

#include "passes/ir/model_graph.h"
#include "passes/sites/composed_attention.h"
#include "vqt/config.h"
#include "vqt/site_report.h"

namespace vqt {

struct AttentionSite {
  std::string name;   // of the module whose method has it; with a number where that has several
  int64_t calls = 0;  // in one run of forward
  int method = 0;
  torch::jit::Node* node = nullptr;  // its output is the result
  ComposedAttention composed;        // q, k and v; the rest for products only
  // Of torch's op: what has to be None or false for vqt::attention, where it is not known before run time; else null.
  torch::jit::Value *mask = nullptr, *is_causal = nullptr;
  bool integer = false;  // vqt::attention
  std::string problem;   // why torch's ops stay
  std::string note;      // what else the layer table says
};

// In the order of execution, then those that forward does not reach.
std::vector<AttentionSite> find_attention(const ModelGraphs& model);
// The same where the config's `attention` is not float; what `ignore` matches has that as its problem.
std::vector<AttentionSite> planned_attention(const ModelGraphs& model, const QuantizationConfig& config);

// Rows of a float model, of which all without a problem will be rewritten as `mode` (int8 or bf16) says.
std::vector<SiteReport> planned_attention_rows(const std::vector<AttentionSite>& sites,
                                               const std::string& mode);
// Rows of the attentions that compute in integers.
std::vector<SiteReport> present_attention_rows(const std::vector<AttentionSite>& sites);

}  // namespace vqt
