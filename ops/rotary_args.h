// Rotary position embedding as the schemas of rotary and attention have it: checks, the same steps in torch's ops,
// and the kernel's job.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string_view>

#include "cpu/norm/rotary_kernel.h"
#include "ops/norm_args.h"

namespace vqt {

struct RotaryArgs {
  const at::Tensor &x, &cos, &sin;
  int64_t axes;
  bool norm;
  const std::optional<at::Tensor>&norm_weight, &norm_bias;
  double norm_eps;
  bool promote, halves;

  int64_t parts() const { return 2 * axes; }
};

// How an error calls them.
struct RotaryNames {
  std::string_view op, x, norm_weight, norm_bias;
};

// weight or bias: absent without norm, otherwise absent or [last size of x].
void check_rotary_norm(const RotaryNames& names, const at::Tensor& x, bool norm,
                       const std::optional<at::Tensor>& weight, const std::optional<at::Tensor>& bias,
                       double eps);
// The result's sizes: x's broadcast with the tables'.
c10::SymDimVector check_rotary(const RotaryNames& names, const RotaryArgs& args);
at::ScalarType rotary_dtype(const RotaryArgs& args);

// sizes: of the result.
bool rotary_kernel_takes(const RotaryArgs& args, c10::SymIntArrayRef sizes);
at::Tensor rotary_in_torch(const RotaryArgs& args);

// A job of the kernel without its result, and the tensors that it reads. args: what the kernel takes.
class RotaryJob {
 public:
  explicit RotaryJob(const RotaryArgs& args);
  const cpu::Rotary& job() const { return job_; }
  int64_t batch() const { return x_.size(0); }

 private:
  at::Tensor x_, cos_, sin_;
  NormParameters norm_;
  cpu::Rotary job_;
};

}  // namespace vqt
