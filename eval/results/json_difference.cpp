#include "eval/results/json_difference.h"

#include <fmt/format.h>

namespace vqt {
namespace {
using Json = nlohmann::ordered_json;

std::string shown(const Json& value) {
  constexpr size_t kMost = 60;
  const std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  return text.size() <= kMost ? text : text.substr(0, kMost) + "...";
}

std::string member(const std::string& path, const std::string& key) {
  return path.empty() ? key : path + "." + key;
}

std::string object_difference(const Json& before, const Json& now, const std::string& path) {
  for (const auto& [key, value] : before.items()) {
    const std::string found = first_difference(value, now.value(key, Json()), member(path, key));
    if (!found.empty()) return found;
  }
  for (const auto& [key, value] : now.items()) {
    const std::string found = before.contains(key) ? "" : first_difference(Json(), value, member(path, key));
    if (!found.empty()) return found;
  }
  return "";
}

}  // namespace

std::string first_difference(const Json& before, const Json& now, const std::string& path) {
  if (before == now) return "";
  if (before.is_object() && now.is_object()) return object_difference(before, now, path);
  if (before.is_array() && now.is_array()) {
    if (before.size() != now.size())
      return fmt::format("{} had {} entries, now it has {}", path, before.size(), now.size());
    for (size_t i = 0; i < before.size(); ++i) {
      const std::string found = first_difference(before[i], now[i], fmt::format("{}[{}]", path, i));
      if (!found.empty()) return found;
    }
    return "";
  }
  return fmt::format("{} was {}, now it is {}", path, shown(before), shown(now));
}

}  // namespace vqt
