// The ops of torch.ops.vqt as C++ functions. Including this and calling one keeps the linker from dropping libvqt_ops.
// Shapes: weight [N, K]; scale float32 and zero_point int32 are 1-D: [1], [N] or [number of groups].
// Canonical weights: int8 (symmetric) or uint8 (asymmetric) [N, K]; int16 [N, K]; 4 bits uint8 [N, ceil(K/2)],
// low nibble first. All functions throw c10::Error that names op, argument, what was expected and what came.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <string_view>
#include <tuple>

#include "vqt/scheme.h"

namespace vqt {

std::tuple<at::Tensor, at::Tensor> choose_qparams(const at::Tensor& x, int64_t bits, bool symmetric,
                                                  std::string_view granularity, int64_t group_size);
at::Tensor quantize(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point, int64_t bits,
                    bool symmetric, std::string_view granularity, int64_t group_size);
// k: columns of the float tensor; needed for 4 bits with odd K, -1 otherwise.
at::Tensor dequantize(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point,
                      int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                      int64_t k, at::ScalarType dtype);
std::tuple<at::Tensor, at::Tensor, at::Tensor> quantize_per_token(const at::Tensor& x, bool symmetric);

// uint8 [N, bytes a row]: header, scales, zero points, sums and weights in one self-describing tensor (packed_weight.h).
// layout: "cpu" (panels for the CPU kernels; an error where they do not apply), "canonical" (any machine can read it),
// "auto" (cpu where the fast kernels apply, else canonical).
at::Tensor pack_weight(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                       int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                       int64_t k, std::string_view layout);
// Back to canonical (weight, scale, zero_point). The caller states the scheme, so that shapes are known without reading
// data; a packed weight of another scheme is an error.
std::tuple<at::Tensor, at::Tensor, at::Tensor> unpack_weight(const at::Tensor& packed, int64_t k,
                                                             int64_t bits, bool symmetric,
                                                             std::string_view granularity,
                                                             int64_t group_size);

// What a packed weight says of itself. Throws where the tensor is not one.
struct PackedInfo {
  int64_t n = 0, k = 0;
  Scheme scheme;
  std::string layout;        // "cpu" or "canonical"
  int64_t source_bytes = 4;  // per weight of the float tensor it was made of
};
PackedInfo packed_info(const at::Tensor& packed);
// Notes in the packed weight how many bytes each weight took before; pack_weight alone says 4.
void set_source_bytes(const at::Tensor& packed, int64_t source_bytes);

}  // namespace vqt
