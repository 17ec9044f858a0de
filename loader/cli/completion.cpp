#include "loader/cli/completion.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vqt::cli {
namespace {

bool starts_with(const std::string& text, const char* start) { return text.rfind(start, 0) == 0; }

// By the words that errors use for what is expected.
bool takes_folder(const Flag& flag) { return starts_with(flag.expected, "the path of a folder"); }
bool takes_file(const Flag& flag) { return starts_with(flag.expected, "the path of") && !takes_folder(flag); }

std::string function_name(std::string program) {
  std::replace(program.begin(), program.end(), '-', '_');
  return "_" + program;
}

// What one flag's values are, for `case $flag in`.
std::string bash_case(const Flag& flag) {
  std::string values = "kind=other";
  if (takes_folder(flag)) values = "kind=folder";
  if (takes_file(flag)) values = "kind=file";
  if (!flag.values.empty()) values = fmt::format("kind=words words='{}'", fmt::join(flag.values, " "));
  const char* most = flag.takes == Flag::Takes::kValues ? " most=1000" : "";
  return fmt::format("    {}) {}{} ;;\n", fmt::join(flag.names, "|"), values, most);
}

// The first clause of its help, without what _arguments reads as syntax.
std::string zsh_help(const std::string& help) {
  std::string text = help.substr(0, help.find_first_of(";:[("));
  text.erase(std::remove_if(text.begin(), text.end(), [](char c) { return c == '\'' || c == '\\'; }),
             text.end());
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

std::string zsh_value(const Flag& flag) {
  std::string name = flag.placeholder, action;
  std::replace(name.begin(), name.end(), ':', ' ');
  if (takes_folder(flag)) action = "_files -/";
  if (takes_file(flag)) action = "_files";
  if (!flag.values.empty()) action = fmt::format("({})", fmt::join(flag.values, " "));
  return fmt::format(":{}:{}", name, action);
}

// A spec for each name, so that a flag of several names needs no braces.
std::string zsh_flag(const Flag& flag) {
  std::string text;
  for (const std::string& name : flag.names) {
    text += " \\\n    ";
    if (flag.takes == Flag::Takes::kNothing) {
      text += fmt::format("'{}[{}]'", name, zsh_help(flag.help));
    } else {
      const char* until_next_flag = flag.takes == Flag::Takes::kValues ? ":*-*" : "";
      text += fmt::format("'*{}[{}]{}{}'", name, zsh_help(flag.help), until_next_flag, zsh_value(flag));
    }
  }
  return text;
}

}  // namespace

std::string bash_completion(const std::string& program, const std::vector<Flag>& flags,
                            const Flag& positional) {
  std::string names, cases;
  for (const Flag& flag : flags) {
    if (flag.help.empty()) continue;
    names += fmt::format("{}{}", names.empty() ? "" : " ", fmt::join(flag.names, " "));
    if (flag.takes != Flag::Takes::kNothing) cases += bash_case(flag);
  }
  return fmt::format(
      R"(# bash completion of {0}, written by: {0} --completion bash
{1}() {{
  local word=${{COMP_WORDS[COMP_CWORD]}} flag= given=0 kind= words= most=1 i
  [[ $word == = ]] && word=  # bash splits --flag=value into three words
  for ((i = COMP_CWORD - 1; i > 0; --i)); do
    case ${{COMP_WORDS[i]}} in
      =) ;;
      -*) flag=${{COMP_WORDS[i]//_/-}}; break ;;
      *) ((++given)) ;;
    esac
  done
  case $flag in
{2}  esac
  [[ -z $kind || $given -ge $most ]] && kind={3}
  [[ $word == -* ]] && kind=flags
  COMPREPLY=()
  case $kind in
    flags) mapfile -t COMPREPLY < <(compgen -W '{4}' -- "$word") ;;
    words) mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word") ;;
    file) mapfile -t COMPREPLY < <(compgen -f -- "$word") ;;
    folder) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
  esac
  case $kind in file|folder) compopt -o filenames 2> /dev/null ;; esac
}}
complete -F {1} {0}
)",
      program, function_name(program), cases, positional.names.empty() ? "flags" : "file", names);
}

std::string zsh_completion(const std::string& program, const std::vector<Flag>& flags,
                           const Flag& positional) {
  std::string specs;
  for (const Flag& flag : flags) {
    if (!flag.help.empty()) specs += zsh_flag(flag);
  }
  if (!positional.names.empty()) specs += " \\\n    '1" + zsh_value(positional) + "'";
  return fmt::format(
      R"(#compdef {0}
# zsh completion of {0}, written by: {0} --completion zsh
{1}() {{
  _arguments -S{2}
}}
if [[ $funcstack[1] == {1} ]]; then
  {1} "$@"  # loaded from a folder of $fpath
else
  compdef {1} {0}
fi
)",
      program, function_name(program), specs);
}

}  // namespace vqt::cli
