// Times and sizes as both programs write them.
#pragma once

#include <cstdint>
#include <string>

namespace vqt::cli {

// "0.4 s", "12 s", "3 min 05 s", "2 h 10 min".
std::string duration_text(double seconds);
// "512 bytes", "4.2 kB", "1.5 MB", "5,026 MB": powers of ten.
std::string bytes_text(int64_t bytes);
// "3.20x smaller", "1.06x larger"; empty where one of them is unknown.
std::string ratio_text(int64_t before, int64_t after);

}  // namespace vqt::cli
