// Scripts by which a shell completes the flags of a program and their values.
#pragma once

#include <string>
#include <vector>

#include "loader/cli/flags.h"

namespace vqt::cli {

// flags: with --help and its like; positional without names: the program takes none.
std::string bash_completion(const std::string& program, const std::vector<Flag>& flags,
                            const Flag& positional);
std::string zsh_completion(const std::string& program, const std::vector<Flag>& flags,
                           const Flag& positional);

}  // namespace vqt::cli
