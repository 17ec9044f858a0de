// ImageOptions as JSON. Torch-free.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "loader/images/image_options.h"
#include "vqt/error.h"

namespace vqt {

template <class T>
std::string name_in(const std::vector<std::pair<std::string, T>>& names, T value) {
  for (const auto& [name, named] : names) {
    if (named == value) return name;
  }
  return "";
}

// Throws Error.
template <class T>
T value_in(const std::vector<std::pair<std::string, T>>& names, const std::string& name) {
  for (const auto& [known, value] : names) {
    if (known == name) return value;
  }
  throw Error("image options: " + name + ": no such value");
}

inline void to_json(nlohmann::json& j, Preprocess value) { j = name_in(kPreprocessNames, value); }
inline void from_json(const nlohmann::json& j, Preprocess& value) {
  value = value_in(kPreprocessNames, j.get<std::string>());
}
inline void to_json(nlohmann::json& j, InputLayout value) { j = name_in(kInputLayoutNames, value); }
inline void from_json(const nlohmann::json& j, InputLayout& value) {
  value = value_in(kInputLayoutNames, j.get<std::string>());
}

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(ImageOptions, preprocess, image_size, layout, mean, std)

}  // namespace vqt
