#include "eval/ground_truth/match_names.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

// Two images under one name are only an error when that name is asked for.
class NameIndex {
 public:
  NameIndex(const std::vector<std::string>& names, const std::string& file) : names_(names), file_(file) {
    for (size_t i = 0; i < names.size(); ++i) {
      const fs::path name = names[i];
      full_[name.filename().string()].push_back(static_cast<int64_t>(i));
      stem_[name.stem().string()].push_back(static_cast<int64_t>(i));
    }
  }

  int64_t find(const std::string& name) const {
    if (const auto found = full_.find(name); found != full_.end()) return only(found->second, name);
    const auto found = stem_.find(fs::path(name).stem().string());
    return found == stem_.end() ? -1 : only(found->second, name);
  }

 private:
  int64_t only(const std::vector<int64_t>& found, const std::string& name) const {
    if (found.size() > 1) {
      throw Error(fmt::format("{}: {} could be {} or {}; images are matched by file name", file_, name,
                              names_[found[0]], names_[found[1]]));
    }
    return found[0];
  }

  const std::vector<std::string>& names_;
  const std::string& file_;
  std::map<std::string, std::vector<int64_t>> full_, stem_;
};

std::string some(const std::vector<std::string>& names) {
  const std::vector<std::string> first(names.begin(), names.begin() + std::min<size_t>(3, names.size()));
  return names.empty() ? "none"
                       : fmt::format("{}{}", fmt::join(first, ", "), names.size() > 3 ? ", ..." : "");
}

}  // namespace

std::vector<int64_t> match_names(const std::vector<std::string>& asked, const std::vector<std::string>& known,
                                 const std::string& file, std::vector<std::string>& notes) {
  const NameIndex index(known, file);
  std::vector<int64_t> found;
  std::vector<std::string> unknown;
  for (const std::string& name : asked) {
    found.push_back(index.find(name));
    if (found.back() < 0) unknown.push_back(name);
  }
  if (unknown.size() == asked.size()) {
    throw Error(fmt::format("{}: none of the {} images is in it (the first is {}); it has {}", file,
                            asked.size(), asked.empty() ? "-" : asked[0], some(known)));
  }
  if (!unknown.empty()) {
    notes.push_back(
        left_out(unknown, asked.size(),
                 fmt::format("are not in {} and not scored", fs::path(file).filename().string())));
  }
  return found;
}

std::string left_out(const std::vector<std::string>& names, size_t of, const std::string& what) {
  return names.empty() ? ""
                       : fmt::format("ground truth: {} of {} images {}: {}{}", names.size(), of, what,
                                     names[0], names.size() > 1 ? ", ..." : "");
}

}  // namespace vqt
