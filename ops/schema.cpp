// Every schema of torch.ops.vqt, and nothing else. docs/ops.md explains the arguments.
#include <torch/library.h>

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
      "pack_weight(Tensor weight, Tensor scale, Tensor zero_point, int bits, bool symmetric, str "
      "granularity, "
      "int group_size=0, int k=-1, str layout=\"auto\") -> Tensor");
  m.def(
      "unpack_weight(Tensor packed, int k, int bits, bool symmetric, str granularity, int group_size=0) "
      "-> (Tensor weight, Tensor scale, Tensor zero_point)");

  // weight: packed (scale and zero_point absent) or canonical. row_begin, row_end: the rows of weight that
  // are used, as a slice of a fused projection does; scales and groups stay those of the whole weight. bias:
  // [rows used].
  m.def(
      "linear_int8(Tensor x, Tensor weight, Tensor? bias=None, Tensor? scale=None, Tensor? zero_point=None, "
      "*, "
      "str activation=\"dynamic\", bool activation_symmetric=False, float x_scale=0.0, int x_zero_point=0, "
      "int row_begin=0, int row_end=-1) -> Tensor");
  m.def(
      "linear_int4(Tensor x, Tensor weight, Tensor? bias=None, Tensor? scale=None, Tensor? zero_point=None, "
      "*, "
      "int group_size=0, str activation=\"dynamic\", bool activation_symmetric=False, float x_scale=0.0, "
      "int x_zero_point=0, int row_begin=0, int row_end=-1) -> Tensor");
  m.def(
      "linear_int16(Tensor x, Tensor weight, Tensor? bias=None, Tensor? scale=None, *, int row_begin=0, "
      "int row_end=-1) -> Tensor");

  // A quantized activation: uint8, x's leading sizes and cpu/activation.h's bytes a row; lives inside a forward.
  m.def(
      "layer_norm_quantize(Tensor x, Tensor? weight, Tensor? bias, float eps=1e-5, *, "
      "str activation=\"dynamic\", bool activation_symmetric=False, float x_scale=0.0, int x_zero_point=0) "
      "-> Tensor");
  m.def(
      "rotary(Tensor x, Tensor cos, Tensor sin, *, int axes=1, bool norm=False, Tensor? norm_weight=None, "
      "Tensor? norm_bias=None, float norm_eps=1e-5) -> Tensor");

  // The one op that writes. statistics: float32 [4] = {min, max, values seen, values that are NaN or Inf},
  // started as {inf, -inf, 0, 0}.
  m.def("observe(Tensor x, Tensor(a!) statistics, str method=\"minmax\") -> ()");
}

}  // namespace vqt
