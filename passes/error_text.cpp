#include "vqt/error_text.h"

#include <c10/util/Exception.h>

#include <algorithm>
#include <string_view>

namespace vqt {
namespace {

constexpr std::string_view kInterpreter = "The following operation failed in the TorchScript interpreter.\n";

bool is_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

// An exception without a message reads "Name: ".
std::string without_empty_message(const std::string& why) {
  const size_t name = static_cast<size_t>(std::find_if_not(why.begin(), why.end(), is_name) - why.begin());
  const bool empty = name > 0 && why.compare(name, 1, ":") == 0 &&
                     why.find_first_not_of(" \n", name + 1) == std::string::npos;
  return empty ? why.substr(0, name) : why;
}

// The interpreter writes kInterpreter, lines of source (indented, or with a space after their first word), then
// "RuntimeError: cause". "" where the text has another form.
std::string cause(const std::string& text) {
  const size_t start = text.find(kInterpreter);
  if (start == std::string::npos) return "";
  for (size_t line = start + kInterpreter.size(); line < text.size();) {
    size_t end = line;
    while (end < text.size() && is_name(text[end])) ++end;
    if (end > line && text.compare(end, 2, ": ") == 0) {
      const std::string why = text.substr(end + 2);
      return why.find_first_not_of(" \n") == std::string::npos ? text.substr(line, end - line)
                                                               : without_empty_message(why);
    }
    line = std::min(text.find('\n', line), text.size() - 1) + 1;
  }
  return "";
}

}  // namespace

std::string error_text(const std::exception& e) {
  const auto* torch_error = dynamic_cast<const c10::Error*>(&e);
  std::string text = torch_error ? torch_error->what_without_backtrace() : e.what();
  for (std::string inner = cause(text); !inner.empty(); inner = cause(text)) text = inner;  // forks nest
  return text.substr(0, text.find_last_not_of(" \n") + 1);
}

}  // namespace vqt
