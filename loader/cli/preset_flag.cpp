#include "loader/cli/preset_flag.h"

namespace vqt::cli {

QuantizationConfig preset_of_flag(const std::string& name) {
  try {
    return QuantizationConfig::preset(name);
  } catch (const UsageError& e) {
    throw UsageError("--" + std::string(e.what()));  // "preset: expected one of ..."
  }
}

}  // namespace vqt::cli
