// JSON whose keys stay in the order in which they were written. Torch-free.
#pragma once

#include <nlohmann/json.hpp>

namespace vqt {

using Json = nlohmann::ordered_json;

}  // namespace vqt
