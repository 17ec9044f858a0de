// What a saved reference is of: --save-reference writes it, --load-reference compares it.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "eval/results/json.h"
#include "eval/results/model_result.h"
#include "eval/results/run_settings.h"
#include "loader/images/images.h"

namespace vqt {

// Its file name and the checksums of its records.
Json describe_model(const std::string& path);

// Model (checksums of its records), images (names and prepared pixels), how they are fed.
Json describe_reference(const RunSettings& options, const ImageFile& pictures);

Json cost_to_json(const Cost& cost);
Cost cost_from_json(const Json& json);

// Throws Error that names the first thing that differs, and how.
void check_same_reference(const Json& saved, const Json& expected, const std::string& path);

}  // namespace vqt
