// What attention does to q and k before its product: LayerNorm, rotary position embedding, both, or nothing.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>

#include "cpu/attention/attention_kernel.h"
#include "cpu/norm/layer_norm_kernel.h"
#include "ops/norm_args.h"
#include "ops/rotary_args.h"

namespace vqt {

struct PrologueArgs {
  RotaryNames names;
  const at::Tensor& x;  // q or k
  const std::optional<at::Tensor>&cos, &sin;
  int64_t axes;
  bool halves, norm;
  const std::optional<at::Tensor>&norm_weight, &norm_bias;
  double norm_eps;

  bool changes_x() const { return norm || cos.has_value(); }
};

// x: floating-point [..., T, D]. Returns its sizes behind the prologue.
c10::SymDimVector check_prologue(const PrologueArgs& args);

// x behind the prologue, in this dtype.
at::Tensor prologue_in_torch(const PrologueArgs& args, at::ScalarType dtype);

// The rows that a kernel reads, where possible made by it on the way. result: the sizes of attention's result, with
// whose leading ones x's are broadcast.
class PrologueRows {
 public:
  PrologueRows(const PrologueArgs& args, c10::IntArrayRef result);
  // Points into this object.
  cpu::AttentionRows rows() const;

 private:
  static void rotate(const void* self, int64_t batch, int64_t head, cpu::Range tokens, float* to);
  static void normalise(const void* self, int64_t batch, int64_t head, cpu::Range tokens, float* to);

  at::Tensor heads_;
  std::optional<RotaryJob> rotary_;
  std::optional<NormParameters> norm_;
};

}  // namespace vqt
