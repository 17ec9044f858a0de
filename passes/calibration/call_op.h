// An op of ours by its name.
#pragma once

#include <ATen/core/Tensor.h>
#include <ATen/core/ivalue.h>

#include <string>
#include <utility>
#include <vector>

namespace vqt {

// Calls "vqt::linear_int8" and the like with arguments by name, defaults filled in; returns its tensor.
at::Tensor call_op(const std::string& op, const std::vector<std::pair<std::string, c10::IValue>>& arguments);

// For interleaved_times.
double now_ms();

}  // namespace vqt
