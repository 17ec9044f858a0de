#include "passes/sites/site_names.h"

#include <fmt/format.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vqt {
namespace {

// attribute, or attribute_2, ... where sites of the module have that name.
std::string free_label(const std::string& attribute, const std::set<std::string>& taken,
                       const torch::jit::Module& module) {
  std::string label = attribute;
  for (int number = 2; taken.count(label) || (label != attribute && module.hasattr(label)); ++number)
    label = fmt::format("{}_{}", attribute, number);
  return label;
}

}  // namespace

void name_sites(const ModelGraphs& model, SiteTable& table) {
  std::map<int, std::set<std::string>> labels;
  int64_t frozen = 0;
  for (Site& site : table.sites) {
    if (site.owner < 0) {
      site.info.name = fmt::format("frozen.{}", frozen++);
      continue;
    }
    std::string attribute = site.attribute;
    if (site.quantized && attribute.size() > 2 && attribute.substr(attribute.size() - 2) == "_q") {
      attribute.resize(attribute.size() - 2);
    }
    site.label = free_label(attribute, labels[site.owner], model.instances()[site.owner].module);
    labels[site.owner].insert(site.label);
  }
  for (Site& site : table.sites) {
    if (site.owner < 0) continue;
    const std::string& fqn = model.instances()[site.owner].fqn;
    const bool several = labels[site.owner].size() > 1;
    site.info.name = fqn.empty() || several ? join_fqn(fqn, site.label) : fqn;
  }
}

void number_tied(SiteTable& table) {
  std::map<std::string, std::vector<int>> groups;
  for (size_t i = 0; i < table.sites.size(); ++i) {
    const Site& site = table.sites[i];
    groups[site.computed.empty() ? tensor_identity(site.weight) : site.computed].push_back(
        static_cast<int>(i));
  }
  int64_t number = 0;
  for (const auto& [tensor, members] : groups) {
    if (members.size() < 2) continue;
    for (int i : members) table.sites[i].info.tied = number;
    ++number;
  }
}

}  // namespace vqt
