// Every schema of torch.ops.vqt, and nothing else. docs/ops.md explains the arguments.
#include <torch/library.h>

#include <string>

namespace vqt {

TORCH_LIBRARY(vqt, m) {
  m.def(
      "choose_qparams(Tensor x, int bits, bool symmetric, str granularity, int group_size=0) "
      "-> (Tensor scale, Tensor zero_point)");
  m.def(
      "quantize(Tensor x, Tensor scale, Tensor zero_point, int bits, bool symmetric, str granularity, "
      "int group_size=0) -> Tensor");
  m.def(
      "dequantize(Tensor q, Tensor scale, Tensor zero_point, int bits, bool symmetric, str granularity, "
      "int group_size=0, int k=-1, ScalarType dtype=float) -> Tensor");
  m.def("quantize_per_token(Tensor x, bool symmetric=False) -> (Tensor q, Tensor scale, Tensor zero_point)");
  m.def(
      "pack_weight(Tensor weight, Tensor scale, Tensor zero_point, int bits, bool symmetric, "
      "str granularity, int group_size=0, int k=-1, str layout=\"auto\") -> Tensor");
  m.def(
      "unpack_weight(Tensor packed, int k, int bits, bool symmetric, str granularity, int group_size=0) "
      "-> (Tensor weight, Tensor scale, Tensor zero_point)");

  // Quantized activations are opaque uint8 tensors with the leading sizes of x (cpu/layout/activation.h),
  // valid within one forward pass. A linear accepts one as x, and returns one where y_scale > 0.
  const std::string activation =
      "str activation=\"dynamic\", bool activation_symmetric=False, float x_scale=0.0, int x_zero_point=0";
  m.def(("quantize_activation(Tensor x, *, " + activation + ") -> Tensor").c_str());
  m.def(("layer_norm_quantize(Tensor x, Tensor? weight, Tensor? bias, float eps=1e-5, *, " + activation +
         ") -> Tensor")
            .c_str());

  // y = [residual +] [gamma *] post_op(x W^T + bias). weight: packed (scale and zero_point absent) or
  // canonical. row_begin, row_end: use only these rows of weight, e.g. a slice of a fused projection; scales
  // and groups are still those of the whole weight. bias, gamma: [rows used].
  const std::string weight =
      "(Tensor x, Tensor weight, Tensor? bias=None, Tensor? scale=None, Tensor? zero_point=None, *, ";
  const std::string result =
      ", int row_begin=0, int row_end=-1, str post_op=\"none\", Tensor? gamma=None, Tensor? residual=None, "
      "ScalarType? dtype=None, float y_scale=0.0, int y_zero_point=0, bool y_symmetric=False) -> Tensor";
  m.def(("linear_int8" + weight + activation + result).c_str());
  m.def(("linear_int4" + weight + "int group_size=0, " + activation + result).c_str());
  m.def(
      "linear_int16(Tensor x, Tensor weight, Tensor? bias=None, Tensor? scale=None, *, int row_begin=0, "
      "int row_end=-1) -> Tensor");

  // Convolutions of maps [n, C, h, w], results channels_last: max(conv(x) + bias + residual + resized low, 0).
  // weight: conv_matrix's result, quantized (8 bits, symmetric) and packed.
  m.def("conv_matrix(Tensor weight, str form) -> Tensor");
  m.def(
      "conv2d_int8(Tensor x, Tensor weight, Tensor? bias=None, *, str form, int out_channels, "
      "int[2] kernel_size, int[2] stride=1, int[2] padding=0, Tensor? residual=None, Tensor? low=None, "
      "bool relu=False, int[] x_size=[], Tensor? pos_x=None, Tensor? pos_y=None, ScalarType? dtype=None) "
      "-> Tensor");
  m.def(
      "conv_transpose2d_int8(Tensor x, Tensor weight, Tensor? bias=None, *, int out_channels, "
      "int[2] kernel_size, Tensor? residual=None, Tensor? low=None, bool relu=False, "
      "ScalarType? dtype=None) -> Tensor");

  m.def(
      "rotary(Tensor x, Tensor cos, Tensor sin, *, int axes=1, bool norm=False, Tensor? norm_weight=None, "
      "Tensor? norm_bias=None, float norm_eps=1e-5, bool promote=False, bool halves=False) -> Tensor");

  // q [..., H, M, D], k and v [..., H, N, D]; the result [..., H, M, D] lies in memory as [..., M, H, D].
  // cos to norm_eps: what vqt::rotary does to q and k before.
  m.def(
      "attention(Tensor q, Tensor k, Tensor v, *, float? scale=None, Tensor? cos=None, Tensor? sin=None, "
      "int axes=1, bool halves=False, bool norm=False, Tensor? q_norm_weight=None, Tensor? q_norm_bias=None, "
      "Tensor? k_norm_weight=None, Tensor? k_norm_bias=None, float norm_eps=1e-5) -> Tensor");

  // The only op that changes an argument. statistics: float32 [4] = {min, max, values seen, values that are
  // NaN or Inf}, initially {inf, -inf, 0, 0}.
  m.def("observe(Tensor x, Tensor(a!) statistics, str method=\"minmax\") -> ()");
}

}  // namespace vqt
