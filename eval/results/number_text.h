// Sizes and times as people read them in tables and sentences; the report page uses the same digits.
// Torch-free.
#pragma once

#include <cstdint>
#include <string>

namespace vqt {

std::string megabytes(int64_t bytes);  // 10^6 bytes: "2.35", "23.5", "235"
std::string milliseconds(double ms);   // "2.35", "23.5", "235"

}  // namespace vqt
