#include "loader/cli/run_main.h"

#include <fmt/format.h>

#include <csignal>
#include <cstdio>

#include "loader/cli/interrupts.h"
#include "loader/cli/load_library.h"
#include "loader/cli/wait_policy.h"
#include "vqt/error.h"
#include "vqt/low_memory.h"

namespace vqt::cli {

int run_main(const std::string& program, const std::function<int()>& work) {
  const auto complain = [&](const std::string& text, int code) {
    std::fflush(stdout);
    fmt::print(stderr, "{}: error: {}\n", program, text);
    return code;
  };
  set_wait_policy();
  low_memory_unless_set();
  std::signal(SIGXFSZ, SIG_IGN);  // beyond ulimit -f a write fails, with an error that names the file
  try {
    const int code = work();
    return std::fflush(stdout) == 0 ? code : complain("writing to stdout failed", 1);
  } catch (const UsageError& e) {
    return complain(e.what(), 2);
  } catch (const Interrupted& e) {
    return complain(e.what(), 128 + e.signal);
  } catch (const std::exception& e) {
    return complain(message_of(e), 1);
  }
}

}  // namespace vqt::cli
