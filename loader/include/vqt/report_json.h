// A report as JSON: in vqt.json, for --list --json and between vqt-eval's processes. A number that is
// infinite or was not measured is null.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vqt/quantize.h"

namespace vqt {

nlohmann::ordered_json site_to_json(const SiteReport& site);
nlohmann::ordered_json sites_to_json(const std::vector<SiteReport>& sites);

// Keys: config, sites, fusions_made, fusions_left, warnings; where it was calibrated, calibration.
nlohmann::ordered_json report_to_json(const Report& report);
// Keys in any order; fusions_made, fusions_left (older files) and calibration may be missing. The warnings are those of
// the process that wrote them and stay there. source names the file in messages. Throws Error.
Report report_from_json(const nlohmann::ordered_json& json, const std::string& source);

}  // namespace vqt
