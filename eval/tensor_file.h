// Named tensors in a file, between the processes of one run.
#pragma once

#include <string>

#include "vqt/outputs.h"

namespace vqt {

void write_tensors(const NamedTensors& tensors, const std::string& path);
NamedTensors read_tensors(const std::string& path);

}  // namespace vqt
