// What every op says of a bad argument: "vqt::<op>: <argument>: expected <expected>, got <got>".
// A wrong type is a TypeError in Python, a wrong value a ValueError. Sizes may be symbolic; none is read as a
// number unless it is compared.
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

std::string describe(at::ScalarType dtype);  // "float32"
std::string describe(
    const at::Tensor& tensor);  // "float32 [3072, 1024]", with the device where it is not the CPU
std::string describe(at::IntArrayRef sizes);  // "[3072, 1024]"
std::string quoted(std::string_view text);    // "\"text\""

// float32, bfloat16 or float16.
void check_float(std::string_view op, std::string_view argument, const at::Tensor& tensor);
// `layout` is what the error calls the shape, e.g. "[N, K]".
void check_tensor(std::string_view op, std::string_view argument, const at::Tensor& tensor,
                  at::ScalarType dtype, int64_t rank, std::string_view layout);

// bits 4, 8 or 16 (16 symmetric only); granularity one of its names; group_size -1 or > 0 with "group", 0
// without.
Scheme check_scheme(std::string_view op, int64_t bits, bool symmetric, std::string_view granularity,
                    int64_t group_size);
ActivationMode check_activation_mode(std::string_view op, std::string_view activation);

// The dtype of the canonical layout: int8, uint8, int16, or uint8 for 4 bits.
at::ScalarType canonical_dtype(const Scheme& scheme);
// scale float32 [count] and zero_point int32 [count].
void check_scales(std::string_view op, const at::Tensor& scale, const at::Tensor& zero_point,
                  const c10::SymInt& count);
// Their numbers: scales positive and finite, zero points inside the range (0 with symmetric). Reads data.
void check_scale_values(std::string_view op, const at::Tensor& scale, const at::Tensor& zero_point,
                        const Scheme& scheme);

// What the linears share. x: float, last dimension k. bias: float [rows]. Rows: 0 <= begin <= end <= n, end
// -1 is n.
struct RowSlice {
  int64_t begin = 0, end = 0;
  int64_t size() const { return end - begin; }
};
void check_x(std::string_view op, const at::Tensor& x, const c10::SymInt& k);
RowSlice check_rows(std::string_view op, int64_t row_begin, int64_t row_end, int64_t n);
void check_bias(std::string_view op, const std::optional<at::Tensor>& bias, int64_t rows);

}  // namespace vqt
