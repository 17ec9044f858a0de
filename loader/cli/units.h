// Times and sizes as both programs write them; the report page uses the same digits.
#pragma once

#include <cstdint>
#include <string>

namespace vqt::cli {

// "0.4 s", "12 s", "3 min 05 s", "2 h 10 min".
std::string duration_text(double seconds);
// "512 bytes", "4.20 kB", "16.7 MB", "5,026 MB": powers of ten.
std::string bytes_text(int64_t bytes);
// The same digits without a unit, for columns: of 10^6 bytes, of ms.
std::string megabytes(int64_t bytes);
std::string milliseconds(double ms);
// "3.20x smaller", "1.06x larger"; empty where one of them is unknown.
std::string ratio_text(int64_t before, int64_t after);

}  // namespace vqt::cli
