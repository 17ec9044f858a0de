// forward's arguments from a file that torch.save wrote.
#pragma once

#include <ATen/core/ivalue.h>

#include <string>
#include <vector>

namespace vqt {

// A tensor is one argument; a tuple or list holds all of them. Throws Error.
std::vector<c10::IValue> read_inputs(const std::string& path);

}  // namespace vqt
