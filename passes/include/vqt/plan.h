// From sites and a config to a plan for each site. Pure: every error of the config shows before a weight is
// read.
#pragma once

#include <string>
#include <vector>

#include "vqt/config.h"
#include "vqt/scheme.h"
#include "vqt/site.h"

namespace vqt {

struct PlannedSite {
  bool keep_float = false;
  Scheme scheme;                                         // when not kept float
  ActivationMode activation = ActivationMode::kDynamic;  // kNone for 16 bits, whatever the config says
  bool activation_symmetric = false;
  // Why it is kept in floating point, or the rule that chose the scheme (overrides[1] "fc2"), or "".
  std::string reason;
  std::string
      slow;  // why it runs on the reference kernel, many times slower than float, and what does not; or ""
};

// One entry per site, in order. Throws UsageError: a user's pattern that matches no site (with the nearest
// names).
std::vector<PlannedSite> plan_schemes(const std::vector<SiteInfo>& sites, const QuantizationConfig& config);

// Bytes of the packed weight of this scheme, without packing it. For "cuda" in the canonical layout.
int64_t predicted_bytes(int64_t n, int64_t k, const Scheme& scheme, const std::string& device = "cpu");

// Does pattern match this FQN? See docs/config.md. Throws UsageError for a bad regular expression.
bool matches(const std::string& pattern, const std::string& fqn);

}  // namespace vqt
