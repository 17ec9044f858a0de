// Does a pattern match a site's name? A plain word, a dotted name, or re: and a regular expression.
#include <fmt/format.h>

#include <functional>
#include <regex>
#include <string>

#include "vqt/error.h"
#include "vqt/plan.h"

namespace vqt {
namespace {

bool any_component(const std::string& fqn, const std::function<bool(const std::string&)>& wanted) {
  for (size_t begin = 0; begin <= fqn.size();) {
    const size_t end = std::min(fqn.find('.', begin), fqn.size());
    if (wanted(fqn.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool word_matches(const std::string& word, const std::string& component) {
  if (word == "head") return ends_with(component, "head") || ends_with(component, "heads");
  if (word == "attention" && (component == "attn" || component == "self_attn")) return true;
  return component.find(word) != std::string::npos;
}

bool regex_matches(const std::string& expression, const std::string& fqn) {
  try {
    return std::regex_match(fqn, std::regex(expression, std::regex::ECMAScript));
  } catch (const std::regex_error& e) {
    throw UsageError(fmt::format("\"re:{}\" is not a regular expression: {}", expression, e.what()));
  }
}

}  // namespace

bool matches(const std::string& pattern, const std::string& fqn) {
  if (pattern.empty()) return false;
  if (pattern.rfind("re:", 0) == 0) return regex_matches(pattern.substr(3), fqn);
  if (pattern.find('.') != std::string::npos) return fqn == pattern || fqn.rfind(pattern + ".", 0) == 0;
  return any_component(fqn, [&](const std::string& component) { return word_matches(pattern, component); });
}

}  // namespace vqt
