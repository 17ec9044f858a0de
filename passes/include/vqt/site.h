// A site: one weight that aten::linear or a convolution reads, named by the module instance that owns it.
#pragma once

#include <cstdint>
#include <string>

namespace vqt {

enum class SiteKind { kLinear, kConvolution };

// The input of planning. Torch-free, so that plans are tested as tables.
struct SiteInfo {
  std::string name;  // FQN, e.g. aggregator.frame_blocks.3.attn.qkv
  SiteKind kind = SiteKind::kLinear;
  int64_t n = 0, k = 0;                // weight [n, k]; of a convolution [n, k = channels * height * width]
  int64_t stored_n = 0, stored_k = 0;  // of the matrix that a convolution's weight is stored as; 0: as n, k
  int64_t weight_bytes = 0;            // of the float weight
  int64_t calls = 0;                   // that read it in the inlined forward
  bool optional_only = false;          // runs only when an Optional input is given: neither first nor last
  std::string unsupported_reason;      // why it has to stay in floating point, or ""
  int64_t tied = -1;                   // sites with the same number >= 0 share one weight
};

}  // namespace vqt
