// One row of the layer table, and the list of its fields for vqt.json, --list --json and Python.
#pragma once

#include <cstdint>
#include <limits>
#include <string>

namespace vqt {

// Rows are in the order of sites.
struct SiteReport {
  std::string name;
  std::string kind =
      "linear";  // "linear", "convolution" or "attention", which has no weight: n, k and bytes are 0
  int64_t n = 0, k = 0;
  std::string action;  // "quantized" or "float"
  std::string scheme;  // shorthand, e.g. w8a8; the dtype of a float weight
  std::string reason;  // why float, or the rule that chose the scheme
  int64_t calls = 0;
  int64_t bytes_before = 0, bytes_after = 0;
  double weight_sqnr_db = std::numeric_limits<double>::quiet_NaN();  // inf: exact
  // Measured where an input is given (QuantizeOptions::measure), NaN otherwise: the SQNR of the first call,
  // the time of all calls of one forward pass.
  double output_sqnr_db = std::numeric_limits<double>::quiet_NaN();
  double ms_float = std::numeric_limits<double>::quiet_NaN();
  double ms_quantized = std::numeric_limits<double>::quiet_NaN();
};

inline bool has_weight(const SiteReport& site) { return site.kind != "attention"; }

// When a field is in JSON. A number that is infinite or was not measured is null there.
enum class InJson { kAlways, kNotInOlderFiles, kIfMeasured };

// Calls visitor(name, member, InJson) for every field, in the order of vqt.json; n and k are one field:
// visitor("shape", &SiteReport::n, &SiteReport::k).
template <class Visitor>
void visit_site_fields(Visitor&& visitor) {
  visitor("name", &SiteReport::name, InJson::kAlways);
  visitor("kind", &SiteReport::kind, InJson::kNotInOlderFiles);
  visitor("shape", &SiteReport::n, &SiteReport::k);
  visitor("action", &SiteReport::action, InJson::kAlways);
  visitor("scheme", &SiteReport::scheme, InJson::kAlways);
  visitor("reason", &SiteReport::reason, InJson::kAlways);
  visitor("calls", &SiteReport::calls, InJson::kAlways);
  visitor("bytes_before", &SiteReport::bytes_before, InJson::kAlways);
  visitor("bytes_after", &SiteReport::bytes_after, InJson::kAlways);
  visitor("weight_sqnr_db", &SiteReport::weight_sqnr_db, InJson::kAlways);
  visitor("output_sqnr_db", &SiteReport::output_sqnr_db, InJson::kIfMeasured);
  visitor("ms_float", &SiteReport::ms_float, InJson::kIfMeasured);
  visitor("ms_quantized", &SiteReport::ms_quantized, InJson::kIfMeasured);
}

}  // namespace vqt
