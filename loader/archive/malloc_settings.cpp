#include "vqt/malloc_settings.h"

#include <unistd.h>

namespace vqt {

std::vector<std::string> malloc_settings() {
  std::vector<std::string> found;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string setting = *entry;
    const bool tunables = setting.rfind("GLIBC_TUNABLES=", 0) == 0;
    if (setting.rfind("MALLOC_", 0) == 0 || (tunables && setting.find("glibc.malloc.") != std::string::npos))
      found.push_back(setting);
  }
  return found;
}

}  // namespace vqt
