#include "eval/results/number_text.h"

#include <fmt/format.h>

namespace vqt {
namespace {

std::string three_digits(double value) {
  return fmt::format("{:.{}f}", value, value < 9.995 ? 2 : value < 99.95 ? 1 : 0);
}

}  // namespace

std::string megabytes(int64_t bytes) { return three_digits(static_cast<double>(bytes) / 1e6); }

std::string milliseconds(double ms) { return three_digits(ms); }

}  // namespace vqt
