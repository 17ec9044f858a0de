#include "loader/cli/progress_bar.h"

#include <fmt/format.h>
#include <unistd.h>

#include "loader/cli/units.h"

namespace vqt::cli {
namespace {
constexpr int kBarWidth = 24;
constexpr std::chrono::seconds kLine{15};  // where there is no terminal
}  // namespace

ProgressBar::ProgressBar(std::string program, bool quiet, std::FILE* to)
    : program_(std::move(program)), quiet_(quiet), to_(to), terminal_(::isatty(::fileno(to)) == 1) {}

void ProgressBar::start(const std::string& what) {
  finish();
  what_ = what;
  done_ = total_ = 0;
  started_ = shown_ = Clock::now();
  if (quiet_) return;
  terminal_ ? draw() : print(what_ + " ...\n");
}

void ProgressBar::update(int64_t done, int64_t total) {
  done_ = done;
  total_ = total;
  if (quiet_ || what_.empty()) return;
  if (terminal_) return draw();
  const Clock::time_point now = Clock::now();
  if (done == total || now - shown_ < kLine) return;  // finish() says the end
  shown_ = now;
  print(fmt::format("{}: {}{}{}\n", what_, done, total > 0 ? fmt::format(" of {}", total) : "", time_left()));
}

void ProgressBar::tick() {
  if (!quiet_ && terminal_ && !what_.empty()) draw();
}

void ProgressBar::finish() {
  if (what_.empty()) return;
  if (!quiet_) {
    clear_line();
    print(fmt::format("{}: {}\n", what_, duration_text(seconds())));
  }
  what_.clear();
}

void ProgressBar::stage(const std::string& what, int64_t done, int64_t total) {
  const bool over = total > 0 && done >= total;
  if (what != what_) {
    if (over) return finish();
    start(what);
  }
  update(done, total);
  if (over) finish();
}

void ProgressBar::note(const std::string& text) {
  if (quiet_) return;
  clear_line();
  print(text + "\n");
}

void ProgressBar::warn(const std::string& text) {
  clear_line();
  print(fmt::format("{}: warning: {}\n", program_, text));
}

std::string ProgressBar::time_left() const {
  if (done_ <= 0 || done_ >= total_) return "";
  return fmt::format(", {} left", duration_text(seconds() / static_cast<double>(done_) *
                                                static_cast<double>(total_ - done_)));
}

void ProgressBar::draw() {
  const int filled = total_ > 0 ? static_cast<int>(kBarWidth * done_ / total_) : 0;
  std::string line =
      fmt::format("{:<40.40} [{:<{}}]", what_, std::string(static_cast<size_t>(filled), '#'), kBarWidth);
  if (total_ > 0) line += fmt::format(" {}/{}", done_, total_);
  const std::string left = time_left();
  clear_line();
  print(line + (left.empty() ? ", " + duration_text(seconds()) : left));
}

void ProgressBar::clear_line() {
  if (terminal_ && !quiet_ && !what_.empty()) print("\r\033[K");
}

void ProgressBar::print(const std::string& text) {
  std::fputs(text.c_str(), to_);
  std::fflush(to_);
}

}  // namespace vqt::cli
