// Names of models and images as parts of file names.
#pragma once

#include <string>

namespace vqt::cli {

// Safe on any system: other characters become underscores.
inline std::string sanitize_filename(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return name;
}

}  // namespace vqt::cli
