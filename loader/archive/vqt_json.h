// vqt.json, the record that tells of a quantized archive: config, versions, table of sites, checksums.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "vqt/quantize.h"

namespace vqt {

constexpr int64_t kVqtJsonVersion = 1;
constexpr const char* kVqtJsonRecord = "extra/vqt.json";

// Record name (without the archive's top folder) to CRC-32.
using Checksums = std::map<std::string, uint32_t>;

nlohmann::ordered_json site_to_json(const SiteReport& site);
nlohmann::ordered_json sites_to_json(const std::vector<SiteReport>& sites);

std::string write_vqt_json(const Report& report, const Checksums& checksums);

struct VqtJson {
  std::string config;  // as JSON
  std::vector<SiteReport> sites;
  std::vector<FusionCount> fusions_made;  // of older archives none
  Checksums checksums;
};
// source names the file in messages. Throws Error.
VqtJson read_vqt_json(const std::string& text, const std::string& source);

}  // namespace vqt
