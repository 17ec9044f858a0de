#include "loader/forecast/free_memory.h"

#include <algorithm>
#include <fstream>
#include <optional>
#include <sstream>

namespace vqt {
namespace {

// "max" and missing files are no number.
std::optional<int64_t> number_in(const std::string& path) {
  std::ifstream file(path);
  int64_t value = 0;
  if (!(file >> value)) return std::nullopt;
  return value;
}

// Of lines "key value".
std::optional<int64_t> field_in(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string name;
    int64_t value = 0;
    if (words >> name >> value && name == key) return value;
  }
  return std::nullopt;
}

struct Names {
  const char *limit, *used;                   // files
  const char *inactive_cache, *active_cache;  // in memory.stat; a file that is read again becomes active
};
constexpr Names kV2{"memory.max", "memory.current", "inactive_file", "active_file"};
constexpr Names kV1{"memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file",
                    "total_active_file"};

// In a group and all above it, up to the root of its tree.
int64_t left_in(const std::string& root, std::string group, const Names& names) {
  int64_t left = kUnknownMemory;
  while (true) {
    const std::string folder = root + (group == "/" ? "" : group) + "/";
    const auto limit = number_in(folder + names.limit), used = number_in(folder + names.used);
    if (limit && used) {
      const std::string stat = folder + "memory.stat";
      const int64_t cache =
          field_in(stat, names.inactive_cache).value_or(0) + field_in(stat, names.active_cache).value_or(0);
      left = std::min(left, std::max<int64_t>(0, *limit - (*used - cache)));
    }
    if (group.empty() || group == "/") return left;
    group.resize(group.rfind('/'));
  }
}

}  // namespace

int64_t free_memory_bytes(const std::string& proc, const std::string& cgroups) {
  int64_t free = kUnknownMemory;
  if (const auto kib = field_in(proc + "/meminfo", "MemAvailable:"))
    free = (*kib + field_in(proc + "/meminfo", "SwapFree:").value_or(0)) * 1024;
  std::ifstream groups(proc + "/self/cgroup");
  for (std::string line; std::getline(groups, line);) {  // "4:memory:/docker/ab12", of v2 "0::/user.slice"
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (controllers == ",,") free = std::min(free, left_in(cgroups, group, kV2));
    if (controllers.find(",memory,") == std::string::npos) continue;
    free = std::min(free, left_in(cgroups + "/memory", group, kV1));
    free = std::min(
        free, left_in(cgroups + "/memory", "/", kV1));  // in a container the group is mounted as the root
  }
  return free;
}

}  // namespace vqt
