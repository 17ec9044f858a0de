#include "loader/cli/interrupts.h"

#include <csignal>

namespace vqt::cli {
namespace {

volatile std::sig_atomic_t caught_signal = 0;

void remember(int signal) { caught_signal = signal; }

}  // namespace

void catch_interrupts() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    struct sigaction action = {};
    ::sigaction(signal, nullptr, &action);
    if (action.sa_handler == SIG_IGN) continue;  // nohup and the like
    action.sa_handler = remember;
    action.sa_flags = 0;  // poll and waitpid come back with EINTR
    ::sigaction(signal, &action, nullptr);
  }
}

void throw_if_interrupted() {
  if (caught_signal != 0) throw Interrupted(caught_signal);
}

}  // namespace vqt::cli
