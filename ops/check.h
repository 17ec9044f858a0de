// Checks of arguments that ops share. The error for a bad argument is always
//   vqt::<op>: <argument>: expected <expected>, got <got>
// a TypeError in Python for a wrong type, a ValueError for a wrong value. Sizes may be symbolic: one becomes
// a number only where it is compared.
#pragma once

#include <ATen/core/Tensor.h>

#include <optional>
#include <string>
#include <string_view>

#include "vqt/scheme.h"

namespace vqt {

[[noreturn]] void fail_type(std::string_view op, std::string_view argument, const std::string& expected,
                            const std::string& got);
[[noreturn]] void fail_value(std::string_view op, std::string_view argument, const std::string& expected,
                             const std::string& got);

// float32
std::string describe(at::ScalarType dtype);
// float32 [3072, 1024], and the device unless it is the CPU
std::string describe(const at::Tensor& tensor);
// [3072, 1024]
std::string describe(at::IntArrayRef sizes);
// "text", with the quotes
std::string quoted(std::string_view text);

// float32, bfloat16 or float16: what kernels read.
bool is_kernel_dtype(at::ScalarType dtype);
void check_float(std::string_view op, std::string_view argument, const at::Tensor& tensor);
// layout: the shape in the error, e.g. "[N, K]".
void check_tensor(std::string_view op, std::string_view argument, const at::Tensor& tensor,
                  at::ScalarType dtype, int64_t rank, std::string_view layout);

// bits: 4, 8 or 16 (16: symmetric only). granularity: one of its names. group_size: -1 or positive with
// "group", 0 otherwise.
Scheme check_scheme(std::string_view op, int64_t bits, bool symmetric, std::string_view granularity,
                    int64_t group_size);
ActivationMode check_activation_mode(std::string_view op, std::string_view activation);

// The dtype of the canonical layout: int8, uint8, int16, or uint8 for 4 bits.
at::ScalarType canonical_dtype(const Scheme& scheme);
// scale float32 [count] and zero_point int32 [count].
void check_scales(std::string_view op, const at::Tensor& scale, const at::Tensor& zero_point,
                  const c10::SymInt& count);
// Reads their data: scales are positive and finite, zero points in the range of the bits (0 with symmetric).
void check_scale_values(std::string_view op, const at::Tensor& scale, const at::Tensor& zero_point,
                        const Scheme& scheme);

// Rows of a weight [n, k]: 0 <= begin <= end <= n. As an argument, an end of -1 means n.
struct RowSlice {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};
// x: float [..., k].
void check_x(std::string_view op, const at::Tensor& x, const c10::SymInt& k);
RowSlice check_rows(std::string_view op, int64_t row_begin, int64_t row_end, int64_t n);
// bias: absent, or float [rows].
void check_bias(std::string_view op, const std::optional<at::Tensor>& bias, int64_t rows);

}  // namespace vqt
