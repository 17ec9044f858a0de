// The point cloud as the report's JSON and table; its images are in report.html. Torch-free.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "eval/results/cloud_figure.h"

namespace vqt {

nlohmann::ordered_json cloud_json(const CloudFigure& cloud);

// Which pixels are shown; a row per file.
std::string cloud_details(const CloudFigure& cloud);

}  // namespace vqt
