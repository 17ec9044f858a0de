// Writes and reads the parts of a report.
#include "vqt/report_json.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "vqt/error.h"

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
  void operator()(const char* name, T SiteReport::*member, InJson in_json) const {
    if (in_json == InJson::kNotInOlderFiles && !json.contains(name)) return;
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

// {"layer_norm": {"its result is read by other ops too": 2}}
ordered_json fusions_left_to_json(const std::vector<FusionCount>& fusions) {
  ordered_json left = ordered_json::object();
  for (const FusionCount& fusion : fusions) {
    if (!fusion.left.empty()) left[fusion.name] = fusion.left;
  }
  return left;
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

ordered_json report_to_json(const Report& report) {
  ordered_json json = {{"config", ordered_json::parse(report.config.to_json())},
                       {"sites", sites_to_json(report.sites)},
                       {"fusions_made", fusions_to_json(report.fusions_made)},
                       {"fusions_left", fusions_left_to_json(report.fusions_made)},
                       {"warnings", report.warnings}};
  if (!report.calibration.empty()) json["calibration"] = ordered_json::parse(report.calibration);
  return json;
}

Report report_from_json(const ordered_json& json, const std::string& source) try {
  Report report;
  report.config = QuantizationConfig::from_json(json.at("config").dump(), source + ": config");
  if (const auto made = json.find("fusions_made"); made != json.end()) {
    for (const auto& [name, count] : made->items())
      report.fusions_made.push_back({name, count.get<int64_t>(), {}});
  }
  if (const auto left = json.find("fusions_left"); left != json.end()) {
    for (FusionCount& fusion : report.fusions_made) {
      if (left->contains(fusion.name)) left->at(fusion.name).get_to(fusion.left);
    }
  }
  if (const auto calibration = json.find("calibration"); calibration != json.end())
    report.calibration = calibration->dump();
  for (const ordered_json& site : json.at("sites")) report.sites.push_back(site_from_json(site));
  return report;
} catch (const ordered_json::exception& e) {
  throw Error(fmt::format("{} is not what vqt writes: {}", source, e.what()));
} catch (const ConfigError& e) {
  throw Error(e.what());
}

}  // namespace vqt
