#include "loader/cli/flags.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <map>

#include "loader/cli/completion.h"
#include "loader/cli/text_table.h"
#include "vqt/error.h"

namespace vqt::cli {
namespace {

constexpr size_t kHelpColumn = 28, kLeastHelpWidth = 50, kMostHelpWidth = 100;

const Flag kHelp = {{"-h", "--help"}, Flag::Takes::kNothing, "", "", "print this help", "", {}, {}};
const Flag kVersion = {{"--version"}, Flag::Takes::kNothing, "", "", "print the version", "", {}, {}};
const Flag kCompletion = {
    {"--completion"},
    Flag::Takes::kOneValue,
    "bash|zsh",
    "one of bash, zsh",
    "print a script by which the shell completes flags and values: source <(... --completion bash)",
    "",
    {},
    {"bash", "zsh"}};

bool is_long(const std::string& word) { return word.size() > 2 && word.compare(0, 2, "--") == 0; }

std::vector<std::string> split(const std::string& text, char separator) {
  std::vector<std::string> list(1);
  for (const char c : text) {
    if (c == separator) {
      list.emplace_back();
    } else {
      list.back() += c;
    }
  }
  return list;
}

// The columns of the terminal that stdout is.
size_t help_width() {
  winsize size = {};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kHelpWidth;
  return std::clamp<size_t>(size.ws_col, kLeastHelpWidth, kMostHelpWidth);
}

// Lines that are too long are broken after a '|'.
std::string broken_at_bars(std::string left, size_t width) {
  for (size_t begin = 0; left.size() - begin > width;) {
    const size_t bar = left.rfind('|', begin + width - 1);
    if (bar == std::string::npos || bar <= begin) break;
    left.insert(bar + 1, "\n      ");
    begin = bar + 2;
  }
  return left;
}

// "  --frames K                images per forward pass ..."
std::string help_entry(const std::string& left, const std::string& help, size_t width) {
  const std::string column(kHelpColumn, ' ');
  std::string text = wrapped(column + help, kHelpColumn, width);
  if (left.size() + 4 > kHelpColumn) return broken_at_bars("  " + left, width) + "\n" + text;
  return text.replace(2, left.size(), left);
}

std::string joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text;
}

}  // namespace

// The command line as it is read.
struct Flags::Words {
  const std::vector<std::string>& all;
  size_t next = 0;
};

void Flags::add(Flag flag) {
  if (flag.names.size() == 1) flag.names = split(flag.names[0], ',');
  if (flag.group.empty()) flag.group = group_;
  if (flag.placeholder.find('|') != std::string::npos) flag.values = split(flag.placeholder, '|');
  flags_.push_back(std::move(flag));
}

void Flags::on(const std::string& names, bool& value, const std::string& help) {
  add({{names}, Flag::Takes::kNothing, "", "", help, "", [&value](const std::string&) { value = true; }});
}

void Flags::text(const std::string& names, std::string& value, TextKind kind, const std::string& help) {
  const auto take = [&value](const std::string& text) { value = text; };
  add({{names},
       Flag::Takes::kOneValue,
       kind.placeholder,
       kind.expected,
       with_default(help, value),
       "",
       take});
}

void Flags::texts(const std::string& names, std::vector<std::string>& values, TextKind kind,
                  const std::string& help) {
  const auto take = [&values](const std::string& text) { values.push_back(text); };
  add({{names}, Flag::Takes::kValues, kind.placeholder, kind.expected, help, "", take});
}

void Flags::repeated(const std::string& names, std::vector<std::string>& values, TextKind kind,
                     const std::string& help) {
  const auto take = [&values, kind, name = split(names, ',')[0]](const std::string& text) {
    if (text.empty()) refuse_value(name, kind.expected, text);
    values.push_back(text);
  };
  add({{names},
       Flag::Takes::kOneEachTime,
       kind.placeholder,
       kind.expected,
       help + "; may be repeated",
       "",
       take});
}

void Flags::integer(const std::string& names, int64_t& value, IntegerRange range,
                    const std::string& placeholder, const std::string& help, const std::string& initial) {
  const auto take = [&value, range, name = split(names, ',')[0]](const std::string& text) {
    value = integer_value(name, text, range);
  };
  add({{names},
       Flag::Takes::kOneValue,
       placeholder,
       expected_text(range),
       with_default(help, initial.empty() ? std::to_string(value) : initial),
       "",
       take});
}

void Flags::number(const std::string& names, double& value, NumberRange range, const std::string& placeholder,
                   const std::string& help) {
  const auto take = [&value, range, name = split(names, ',')[0]](const std::string& text) {
    value = number_value(name, text, range);
  };
  add({{names},
       Flag::Takes::kOneValue,
       placeholder,
       expected_text(range),
       with_default(help, fmt::format("{}", value)),
       "",
       take});
}

void Flags::positional(std::string& value, TextKind kind, const std::string& help) {
  positional_ = {{kind.placeholder},
                 Flag::Takes::kOneValue,
                 kind.placeholder,
                 kind.expected,
                 help,
                 "",
                 [&value](const std::string& text) { value = text; }};
}

std::string Flags::with_default(const std::string& help, const std::string& initial) {
  return initial.empty() ? help : fmt::format("{} [{}]", help, initial);
}

const Flag* Flags::find(const std::string& name) const {
  for (const Flag& flag : flags_) {
    if (std::find(flag.names.begin(), flag.names.end(), name) != flag.names.end()) return &flag;
  }
  return nullptr;
}

const Flag& Flags::known(const std::string& name) const {
  if (const Flag* flag = find(name)) return *flag;
  std::vector<std::string> names = {"--help", "--version", "--completion"};
  for (const Flag& flag : flags_) names.insert(names.end(), flag.names.begin(), flag.names.end());
  throw UsageError(no_such("flag", name, names) + " (see --help)");
}

// -1 is a value; -o is a flag where there is one of that name.
bool Flags::is_flag(const std::string& word) const { return is_long(word) || find(word) || word == "--"; }

std::vector<std::string> Flags::values_of(const Flag& flag, Words& words) const {
  const std::string& word = words.all[words.next++];
  std::vector<std::string> values;
  const size_t equals = is_long(word) ? word.find('=') : std::string::npos;
  if (equals != std::string::npos) values.push_back(word.substr(equals + 1));
  if (flag.takes == Flag::Takes::kNothing) {
    if (!values.empty())
      throw UsageError(fmt::format("{}: expected no value, got \"{}\"", flag.names[0], values[0]));
    return {""};
  }
  const size_t most = flag.takes == Flag::Takes::kValues ? words.all.size() : 1;
  while (values.size() < most && words.next < words.all.size() && !is_flag(words.all[words.next]))
    values.push_back(words.all[words.next++]);
  if (values.empty())
    throw UsageError(fmt::format("{}: expected {}, got no value", flag.names[0], flag.expected));
  return values;
}

Flags::Parsed Flags::parse(const std::vector<std::string>& arguments) const {
  Parsed parsed;
  Words words{arguments};
  std::map<std::string, int> times;
  bool flags_end = false;
  const auto take = [&](const Flag& flag, const std::string& value) {
    if (flag.takes != Flag::Takes::kNothing && flag.takes != Flag::Takes::kOneEachTime && value.empty())
      refuse_value(flag.names[0], flag.expected, value);
    flag.take(value);
    parsed.given.push_back({flag.names[0], value});
  };
  while (words.next < arguments.size()) {
    const std::string& word = arguments[words.next];
    if (!flags_end && word == "--") {
      flags_end = true;
      ++words.next;
    } else if (flags_end || word.size() < 2 || word[0] != '-') {
      ++words.next;
      if (positional_.names.empty())
        throw UsageError(fmt::format("\"{}\": expected a flag; {} takes no other arguments (see --help)",
                                     word, program_.name));
      if (++times[""] > 1)
        throw UsageError(fmt::format("\"{}\": expected one {}, this is one more argument (see --help)", word,
                                     positional_.names[0]));
      take(positional_, word);
    } else {
      const std::string name = is_long(word) ? hyphens(word.substr(0, word.find('='))) : word;
      if (name == "--help" || name == "-h") return {help(help_width()), {}};
      if (name == "--version") return {fmt::format("{} {}\n", program_.name, program_.version), {}};
      if (name == "--completion") return {completion(values_of(kCompletion, words)[0]), {}};
      const Flag& flag = known(name);
      if (flag.takes == Flag::Takes::kOneValue && ++times[flag.names[0]] > 1)
        throw UsageError(fmt::format("{}: given twice; expected it once", flag.names[0]));
      for (const std::string& value : values_of(flag, words)) take(flag, value);
    }
  }
  return parsed;
}

std::string Flags::completion(const std::string& shell) const {
  std::vector<Flag> flags = flags_;
  flags.insert(flags.end(), {kHelp, kVersion, kCompletion});
  const size_t chosen = index_named("--completion", shell, kCompletion.values);
  return chosen == 0 ? bash_completion(program_.name, flags, positional_)
                     : zsh_completion(program_.name, flags, positional_);
}

std::string Flags::help(size_t width) const {
  const auto entry = [&](const Flag& flag) {
    return help_entry(joined(flag.names) + (flag.placeholder.empty() ? "" : " " + flag.placeholder),
                      flag.help, width);
  };
  std::string text = wrapped(program_.purpose, 0, width) + wrapped("Usage: " + program_.usage, 11, width);
  if (!positional_.names.empty()) text += "\n" + help_entry(positional_.placeholder, positional_.help, width);
  std::string group = "\n";
  for (const Flag& flag : flags_) {
    if (flag.help.empty()) continue;
    if (flag.group != group) text += (group = flag.group).empty() ? "\n" : "\n" + group + ":\n";
    text += entry(flag);
  }
  text += "\n" + entry(kHelp) + entry(kVersion) + entry(kCompletion);
  return text + "\n" + wrapped(program_.footer, 0, width);
}

}  // namespace vqt::cli
