// The ops of torch.ops.vqt as C++ functions. A program that calls one also keeps the linker from dropping
// libvqt_ops.
//   weight             [N, K]; canonical: int8 (symmetric) or uint8 (asymmetric), int16, or for 4 bits
//                      uint8 [N, ceil(K/2)], low nibble first
//   scale, zero_point  float32 and int32, 1-D: [1], [N] or [number of groups]
// Errors are c10::Error: "vqt::<op>: <argument>: expected ..., got ...".
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
// The ops vqt::quantize and vqt::dequantize. In C++, quantize() quantizes a model (vqt/quantize.h).
at::Tensor quantize_tensor(const at::Tensor& x, const at::Tensor& scale, const at::Tensor& zero_point,
                           int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size);
// k: columns of the float tensor; needed for 4 bits with odd K, -1 otherwise.
at::Tensor dequantize_tensor(const at::Tensor& q, const at::Tensor& scale, const at::Tensor& zero_point,
                             int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                             int64_t k, at::ScalarType dtype);
std::tuple<at::Tensor, at::Tensor, at::Tensor> quantize_per_token(const at::Tensor& x, bool symmetric);

// uint8 [N, bytes per row]: header, scales, zero points, sums and weights in one self-describing tensor
// (packed_weight.h). layout: "cpu" (panels for the CPU kernels; an error where they do not apply), "cuda"
// (likewise tiles for the CUDA kernels; made on the CPU, then moved), "canonical", or "auto" (cpu where the fast kernels apply, canonical elsewhere).
at::Tensor pack_weight(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                       int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                       int64_t k, std::string_view layout);
// Back to canonical (weight, scale, zero_point). The caller gives the scheme, so that shapes are known
// without reading data; a packed weight of another scheme is an error.
std::tuple<at::Tensor, at::Tensor, at::Tensor> unpack_weight(const at::Tensor& packed, int64_t k,
                                                             int64_t bits, bool symmetric,
                                                             std::string_view granularity,
                                                             int64_t group_size);

// What the header of a packed weight says. Throws if the tensor is not one.
struct PackedInfo {
  int64_t n = 0, k = 0;
  Scheme scheme;
  std::string layout;        // "cpu", "cuda" or "canonical"
  int64_t source_bytes = 4;  // per weight of the float tensor it was made of
  // Made by an earlier version: runs on the reference kernel, unpack_weight refuses it.
  bool groups_cross_rows = false;
};
PackedInfo packed_info(const at::Tensor& packed);
// Notes in the packed weight how many bytes each weight took before; pack_weight alone says 4.
void set_source_bytes(const at::Tensor& packed, int64_t source_bytes);

}  // namespace vqt
