// The first difference between two JSON values, in words. Torch-free.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace vqt {

// The first: "config.group_size was 128, now it is 64". Empty: none; the order of keys does not count, and
// one that is missing is null.
std::string first_difference(const nlohmann::ordered_json& before, const nlohmann::ordered_json& now,
                             const std::string& path = "");

}  // namespace vqt
