// The flags of a program: one table that the parser, --help and --completion walk. --image-folder is the spelling shown,
// --image_folder is accepted too; so is --flag=value.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "loader/cli/values.h"

namespace vqt::cli {

struct Program {
  std::string name, version;
  std::string purpose;  // one sentence
  std::string usage;    // the lines after "Usage: "
  std::string footer;   // exit codes, examples: a line for each paragraph, --help wraps it
};

// Of a value that is text: how --help shows it, and what errors say was expected.
struct TextKind {
  const char *placeholder, *expected;
};
inline constexpr TextKind kFile{"FILE", "the path of a file"}, kFolder{"DIR", "the path of a folder"};

struct Flag {
  enum class Takes { kNothing, kOneValue, kOneEachTime, kValues };
  std::vector<std::string> names;  // "-o", "--output": the first is the one that errors say
  Takes takes = Takes::kNothing;
  std::string placeholder, expected;             // of its value
  std::string help;                              // empty: --help does not show the flag
  std::string group;                             // the heading it is listed under
  std::function<void(const std::string&)> take;  // a value; "" where it takes none. Throws UsageError
  std::vector<std::string> values =
      {};  // that completion offers; those of a placeholder like a|b|c are added
};

inline constexpr size_t kHelpWidth = 80;  // where stdout is no terminal

class Flags {
 public:
  explicit Flags(Program program) : program_(std::move(program)) {}

  void group(const std::string& heading) { group_ = heading; }  // of the flags that are added from here on
  void add(Flag flag);
  // Values that completion offers for the flag that was added last.
  void offer(std::vector<std::string> values) { flags_.back().values = std::move(values); }

  // names as in "-o,--output". Where initial is not given, --help shows the variable's value as the default.
  void on(const std::string& names, bool& value, const std::string& help);
  void text(const std::string& names, std::string& value, TextKind kind, const std::string& help);
  void texts(const std::string& names, std::vector<std::string>& values, TextKind kind,
             const std::string& help);
  // One value each time the flag is given; no positional argument is taken for one more.
  void repeated(const std::string& names, std::vector<std::string>& values, TextKind kind,
                const std::string& help);
  void integer(const std::string& names, int64_t& value, IntegerRange range, const std::string& placeholder,
               const std::string& help, const std::string& initial = "");
  void number(const std::string& names, double& value, NumberRange range, const std::string& placeholder,
              const std::string& help);
  template <class T>
  void choice(const std::string& names, T& value, const ValueNames<T>& values, const std::string& help,
              const std::string& initial = "") {
    const auto take = [&value, &values, name = names](const std::string& text) {
      value = value_named(text, values, name);
    };
    add({{names},
         Flag::Takes::kOneValue,
         joined_names(values, "|"),
         "one of " + joined_names(values, ", "),
         with_default(help, initial.empty() ? name_of(value, values) : initial),
         "",
         take});
  }
  // The one argument that is not a flag.
  void positional(std::string& value, TextKind kind, const std::string& help);

  struct Parsed {
    std::string print;  // --help, --version, --completion: print it, and leave with exit code 0
    struct Given {
      std::string name, value;
    };
    std::vector<Given> given;  // in the order typed, one entry a value; by the flag's first name
  };
  Parsed parse(const std::vector<std::string>& arguments) const;  // throws UsageError
  std::string help(size_t width = kHelpWidth) const;

  static std::string with_default(const std::string& help, const std::string& initial);

 private:
  struct Words;
  const Flag* find(const std::string& name) const;
  const Flag& known(const std::string& name) const;
  bool is_flag(const std::string& word) const;
  std::string completion(const std::string& shell) const;
  std::vector<std::string> values_of(const Flag& flag, Words& words) const;

  Program program_;
  std::string group_;
  std::vector<Flag> flags_;
  Flag positional_;
};

}  // namespace vqt::cli
