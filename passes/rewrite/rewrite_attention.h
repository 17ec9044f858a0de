// Attention in integers, or torch's in bfloat16, in place of what a model has.
#pragma once

#include <string>
#include <vector>

#include "passes/sites/find_attention.h"

namespace vqt {

// Replaces those without a problem. mode: int8 (vqt::attention; torch's op where a mask is given or it is causal at run
// time) or bf16 (torch's op on q, k and v in bfloat16).
void rewrite_attention(const std::vector<AttentionSite>& sites, const std::string& mode);
// Removes what nothing reads now, and branches that are never taken: after the last use of tables of nodes.
void clean_up_attention(const ModelGraphs& model, const std::vector<AttentionSite>& sites);

}  // namespace vqt
