// Names of models and pictures as parts of file names.
#pragma once

#include <string>

namespace vqt {

// Safe on any system: other characters become underscores.
inline std::string file_part(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return name;
}

}  // namespace vqt
