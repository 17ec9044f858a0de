#include "passes/fusion/fusion_result.h"

#include <algorithm>

namespace vqt {

using namespace torch::jit;

void FusionResult::add(const Block* block, const Outcome& outcome) {
  if (outcome != kNoPattern) ++by_block_[block][outcome];
}

OutcomeCounts FusionResult::once(const Block* block) const {
  const auto own = by_block_.find(block);
  OutcomeCounts total = own == by_block_.end() ? OutcomeCounts() : own->second;
  for (const Node* node : block->nodes()) {
    OutcomeCounts nested;
    for (const Block* inner : node->blocks()) {
      for (const auto& [outcome, count] : once(inner)) {
        int64_t& sum = nested[outcome];
        sum = node->kind() == prim::If ? std::max(sum, count) : sum + count;  // one branch runs
      }
    }
    for (const auto& [outcome, count] : nested) total[outcome] += count;
  }
  return total;
}

}  // namespace vqt
