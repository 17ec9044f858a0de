// Writes and reads vqt.json. A number that is infinite or was not measured is null.
#include "loader/archive/vqt_json.h"

#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "vqt/error.h"
#include "vqt/packing.h"

namespace vqt {
namespace {

using nlohmann::ordered_json;

ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json();
}

double number_or_nan(const ordered_json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number() ? found->get<double>()
                                                     : std::numeric_limits<double>::quiet_NaN();
}

SiteReport site_from_json(const ordered_json& j) {
  SiteReport s;
  s.name = j.at("name").get<std::string>();
  s.n = j.at("shape").at(0).get<int64_t>();
  s.k = j.at("shape").at(1).get<int64_t>();
  s.action = j.at("action").get<std::string>();
  s.scheme = j.at("scheme").get<std::string>();
  s.reason = j.at("reason").get<std::string>();
  s.calls = j.at("calls").get<int64_t>();
  s.bytes_before = j.at("bytes_before").get<int64_t>();
  s.bytes_after = j.at("bytes_after").get<int64_t>();
  s.weight_sqnr_db = number_or_nan(j, "weight_sqnr_db");
  s.output_sqnr_db = number_or_nan(j, "output_sqnr_db");
  s.ms_float = number_or_nan(j, "ms_float");
  s.ms_quantized = number_or_nan(j, "ms_quantized");
  return s;
}

}  // namespace

ordered_json site_to_json(const SiteReport& s) {
  ordered_json j = {{"name", s.name},
                    {"shape", {s.n, s.k}},
                    {"action", s.action},
                    {"scheme", s.scheme},
                    {"reason", s.reason},
                    {"calls", s.calls},
                    {"bytes_before", s.bytes_before},
                    {"bytes_after", s.bytes_after},
                    {"weight_sqnr_db", finite_or_null(s.weight_sqnr_db)}};
  if (!std::isnan(s.output_sqnr_db)) j["output_sqnr_db"] = finite_or_null(s.output_sqnr_db);
  if (!std::isnan(s.ms_float)) j["ms_float"] = s.ms_float;
  if (!std::isnan(s.ms_quantized)) j["ms_quantized"] = s.ms_quantized;
  return j;
}

ordered_json sites_to_json(const std::vector<SiteReport>& sites) {
  ordered_json list = ordered_json::array();
  for (const SiteReport& site : sites) list.push_back(site_to_json(site));
  return list;
}

ordered_json fusions_to_json(const std::vector<FusionCount>& fusions) {
  ordered_json made = ordered_json::object();
  for (const FusionCount& fusion : fusions) made[fusion.name] = fusion.made;
  return made;
}

std::string write_vqt_json(const Report& report, const Checksums& checksums) {
  ordered_json sums = ordered_json::object();
  for (const auto& [name, crc] : checksums) sums[name] = fmt::format("{:08x}", crc);
  const ordered_json j = {
      {"version", kVqtJsonVersion},
      {"versions", {{"vqt", VQT_VERSION}, {"torch", TORCH_VERSION}, {"packed_format", kPackedVersion}}},
      {"config", ordered_json::parse(report.config.to_json())},
      {"sites", sites_to_json(report.sites)},
      {"fusions_made", fusions_to_json(report.fusions_made)},
      {"warnings", report.warnings},
      {"checksums", std::move(sums)}};
  return j.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

VqtJson read_vqt_json(const std::string& text, const std::string& source) try {
  const ordered_json j = ordered_json::parse(text);
  const ordered_json& version = j.at("version");
  if (!version.is_number_integer() || version.get<int64_t>() < 1) {
    throw Error(
        fmt::format("{}: vqt.json: version: expected {}, got {}", source, kVqtJsonVersion, version.dump()));
  }
  if (version.get<int64_t>() > kVqtJsonVersion) {
    throw Error(
        fmt::format("{}: vqt.json: version {}: written by a newer vqt, this one reads up to {}; "
                    "update vqt or quantize the float model again",
                    source, version.get<int64_t>(), kVqtJsonVersion));
  }
  VqtJson out;
  out.config = j.at("config").dump();
  if (const auto made = j.find("fusions_made"); made != j.end()) {
    for (const auto& [name, count] : made->items()) out.fusions_made.push_back({name, count.get<int64_t>()});
  }
  for (const ordered_json& site : j.at("sites")) out.sites.push_back(site_from_json(site));
  for (const auto& [name, crc] : j.at("checksums").items()) {
    const std::string hex = crc.get<std::string>();
    if (hex.size() != 8 || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
      throw Error(fmt::format("{}: vqt.json: checksums: {}: expected 8 hexadecimal digits, got {}", source,
                              name, crc.dump()));
    }
    out.checksums[name] = static_cast<uint32_t>(std::stoul(hex, nullptr, 16));
  }
  return out;
} catch (const ordered_json::exception& e) {
  throw Error(fmt::format("{}: vqt.json is not what vqt writes: {}", source, e.what()));
}

}  // namespace vqt
