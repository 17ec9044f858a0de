#include "loader/cli/console.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace vqt {
namespace {
constexpr int kBarWidth = 24;
constexpr double kLineEverySeconds = 15;  // where there is no terminal
}  // namespace

std::string duration_text(double seconds) {
  if (seconds < 9.95) return fmt::format("{:.1f} s", seconds);
  const int64_t s = static_cast<int64_t>(seconds + 0.5);
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {:02} s", s / 60, s % 60);
  return fmt::format("{} h {:02} min", s / 3600, s % 3600 / 60);
}

Console::Console(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

void Console::start(const std::string& what) {
  finish();
  what_ = what;
  done_ = total_ = 0;
  started_ = last_line_ = Clock::now();
  if (quiet_) return;
  if (terminal_) {
    draw();
  } else {
    fmt::print(stderr, "{} ...\n", what_);
  }
}

void Console::update(int64_t done, int64_t total) {
  done_ = done;
  total_ = total;
  if (quiet_ || what_.empty()) return;
  if (terminal_) return draw();
  if (done == total || std::chrono::duration<double>(Clock::now() - last_line_).count() < kLineEverySeconds)
    return;
  last_line_ = Clock::now();
  const double left = done > 0 ? seconds() / done * (total - done) : 0;
  fmt::print(stderr, "{}: {} of {}{}\n", what_, done, total,
             done > 0 ? fmt::format(", {} left", duration_text(left)) : std::string());
}

void Console::tick() {
  if (!quiet_ && terminal_ && !what_.empty()) draw();
}

void Console::draw() {
  const int filled = total_ > 0 ? static_cast<int>(kBarWidth * done_ / total_) : 0;
  std::string line = fmt::format("{:<34.34} [{:<{}}]", what_, std::string(filled, '#'), kBarWidth);
  if (total_ > 0) line += fmt::format(" {}/{}", done_, total_);
  line += done_ > 0 && done_ < total_
              ? fmt::format(", {} left", duration_text(seconds() / done_ * (total_ - done_)))
              : fmt::format(", {}", duration_text(seconds()));
  clear_line();
  fmt::print(stderr, "{}", line);
  std::fflush(stderr);
}

void Console::clear_line() { fmt::print(stderr, "\r\033[K"); }

void Console::finish() {
  if (what_.empty()) return;
  if (!quiet_) {
    if (terminal_) clear_line();
    fmt::print(stderr, "{}: {}\n", what_, duration_text(seconds()));
  }
  what_.clear();
}

void Console::note(const std::string& text) {
  if (quiet_) return;
  if (terminal_ && !what_.empty()) clear_line();
  fmt::print(stderr, "{}\n", text);
}

void Console::warn(const std::string& text) {
  if (terminal_ && !what_.empty() && !quiet_) clear_line();
  fmt::print(stderr, "vqt-eval: warning: {}\n", text);
}

}  // namespace vqt
