// Writes and reads vqt.json. A number that is infinite or was not measured is null.
#include "loader/archive/vqt_json.h"

#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "vqt/error.h"
#include "vqt/packed_format.h"

namespace vqt {
namespace {

using nlohmann::ordered_json;

ordered_json finite_or_null(double value) {
  return std::isfinite(value) ? ordered_json(value) : ordered_json();
}

struct SiteWriter {
  const SiteReport& site;
  ordered_json& json;

  void operator()(const char* name, int64_t SiteReport::*n, int64_t SiteReport::*k) const {
    json[name] = {site.*n, site.*k};
  }
  void operator()(const char* name, double SiteReport::*member, InJson in_json) const {
    const double value = site.*member;
    if (in_json == InJson::kAlways || !std::isnan(value)) json[name] = finite_or_null(value);
  }
  template <class T>
  void operator()(const char* name, T SiteReport::*member, InJson) const {
    json[name] = site.*member;
  }
};

struct SiteReader {
  const ordered_json& json;
  SiteReport& site;

  void operator()(const char* name, int64_t SiteReport::*n, int64_t SiteReport::*k) const {
    site.*n = json.at(name).at(0).get<int64_t>();
    site.*k = json.at(name).at(1).get<int64_t>();
  }
  void operator()(const char* name, double SiteReport::*member, InJson) const {  // null stays NaN
    const auto found = json.find(name);
    if (found != json.end() && found->is_number()) site.*member = found->get<double>();
  }
  template <class T>
  void operator()(const char* name, T SiteReport::*member, InJson) const {
    site.*member = json.at(name).get<T>();
  }
};

SiteReport site_from_json(const ordered_json& json) {
  SiteReport site;
  visit_site_fields(SiteReader{json, site});
  return site;
}

ordered_json fusions_to_json(const std::vector<FusionCount>& fusions) {
  ordered_json made = ordered_json::object();
  for (const FusionCount& fusion : fusions) made[fusion.name] = fusion.made;
  return made;
}

}  // namespace

ordered_json site_to_json(const SiteReport& site) {
  ordered_json json = ordered_json::object();
  visit_site_fields(SiteWriter{site, json});
  return json;
}

ordered_json sites_to_json(const std::vector<SiteReport>& sites) {
  ordered_json list = ordered_json::array();
  for (const SiteReport& site : sites) list.push_back(site_to_json(site));
  return list;
}

std::string write_vqt_json(const Report& report, const Checksums& checksums) {
  ordered_json sums = ordered_json::object();
  for (const auto& [name, crc] : checksums) sums[name] = fmt::format("{:08x}", crc);
  const ordered_json j = {
      {"version", kVqtJsonVersion},
      {"versions",
       {{"vqt", VQT_VERSION}, {"torch", TORCH_VERSION}, {"packed_format", packed_format_version()}}},
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
