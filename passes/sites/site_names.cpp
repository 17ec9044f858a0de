#include "passes/sites/site_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vqt {

void name_sites(const ModelGraphs& model, SiteTable& table) {
  std::map<int, std::set<std::string>> attributes;
  for (const Site& site : table.sites) attributes[site.owner].insert(site.attribute);
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
    const std::string& fqn = model.instances()[site.owner].fqn;
    const bool several = attributes[site.owner].size() > 1;
    site.info.name = fqn.empty() || several ? join_fqn(fqn, attribute) : fqn;
  }
}

void number_tied(SiteTable& table) {
  std::map<std::string, std::vector<int>> groups;
  for (size_t i = 0; i < table.sites.size(); ++i)
    groups[tensor_identity(table.sites[i].weight)].push_back(static_cast<int>(i));
  int64_t number = 0;
  for (const auto& [tensor, members] : groups) {
    if (members.size() < 2) continue;
    for (int i : members) table.sites[i].info.tied = number;
    ++number;
  }
}

std::string tensor_identity(const at::Tensor& t) {
  if (!t.has_storage()) return fmt::format("{}", static_cast<const void*>(t.unsafeGetTensorImpl()));
  return fmt::format("{} {} {} {}", static_cast<const void*>(t.storage().unsafeGetStorageImpl()),
                     t.storage_offset(), fmt::join(t.sizes(), ","), fmt::join(t.strides(), ","));
}

}  // namespace vqt
