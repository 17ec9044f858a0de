// What a fusion made in a graph and what it had to leave, by the block it is in.
#pragma once

#include <torch/csrc/jit/ir/ir.h>

#include <cstdint>
#include <map>
#include <string>

namespace vqt {

// What came of one op: kMade, the reason why it was left, or kNoPattern.
using Outcome = std::string;
constexpr const char* kNoPattern = "";  // the fusion is not about this op
constexpr const char* kMade = "made";
// Reasons that several fusions have.
constexpr const char* kReadByOthers = "its result is read by other ops too";
constexpr const char* kOtherBlock = "the ops are in different branches or loops";
constexpr const char* kNotInteger =
    "its linear layer computes in floating point or is not packed for the CPU";
constexpr const char* kWritten = "an op in between writes to what it reads";

using OutcomeCounts = std::map<Outcome, int64_t>;

class FusionResult {
 public:
  // The block of an op that may be gone by now. kNoPattern does not count.
  void add(const torch::jit::Block* block, const Outcome& outcome);
  // What one run of this block has: of the branches of an `if` the larger number of each outcome, the body of a
  // loop once.
  OutcomeCounts once(const torch::jit::Block* block) const;

 private:
  std::map<const torch::jit::Block*, OutcomeCounts> by_block_;
};

}  // namespace vqt
