// The layout for a device, and the error where a plan quantizes nothing.
#pragma once

#include <string>
#include <vector>

#include "passes/sites/find_attention.h"
#include "passes/sites/find_sites.h"
#include "vqt/plan.h"

namespace vqt {

// "auto", or "canonical" with a warning for a device that this build has no kernels for.
std::string layout_for(const std::string& device, std::vector<std::string>& warnings);
// That warning; "" for a device with kernels.
std::string layout_warning(const std::string& device);
// One warning where layers would run on the reference kernel.
void warn_of_slow(const SiteTable& table, const std::vector<PlannedSite>& plan,
                  std::vector<std::string>& warnings);
// Throws Error with the reasons where neither a site nor an attention can be quantized.
void require_work(const ModelGraphs& model, const SiteTable& table, const std::vector<PlannedSite>& plan,
                  const std::vector<AttentionSite>& attention);
// Adds a warning where the names of layers are lost, because the module was frozen.
void note_lost_names(const SiteTable& table, std::vector<std::string>& warnings);

}  // namespace vqt
