#include "passes/config/shorthand.h"

#include <regex>

namespace vqt {

std::optional<Shorthand> parse_shorthand(const std::string& text) {
  static const std::regex kForm("w(4|8|16)a(8|16)(-row|-g([1-9][0-9]{0,8}))?", std::regex::icase);
  std::smatch parts;
  if (!std::regex_match(text, parts, kForm)) return {};
  Shorthand s{std::stoll(parts[1]), {}, parts[2] == "16"};
  if (s.bits == 16 && !s.float_activations) return {};  // 16 bits have no integer kernel
  if (parts[3].matched && s.bits != 4) return {};       // only 4 bits are stored in groups
  if (parts[3].matched) s.group_size = parts[4].matched ? std::stoll(parts[4]) : -1;
  return s;
}

}  // namespace vqt
