// SIGINT, SIGTERM and SIGHUP as an exception. Torch-free.
#pragma once

#include <stdexcept>

namespace vqt::cli {

// One of them came: leave, removing what is half done. Exit code 128 + signal.
struct Interrupted : std::runtime_error {
  explicit Interrupted(int signal) : std::runtime_error("interrupted"), signal(signal) {}
  int signal;
};

void catch_interrupts();      // from here on those signals set a flag
void throw_if_interrupted();  // throws Interrupted

}  // namespace vqt::cli
