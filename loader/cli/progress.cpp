// Progress on stderr.
#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace vqt::cli {
namespace {

constexpr int kBar = 24;
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLine{15};

double seconds(std::chrono::steady_clock::duration d) { return std::chrono::duration<double>(d).count(); }

std::string grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (int64_t at = static_cast<int64_t>(digits.size()) - 3; at > 0; at -= 3)
    digits.insert(static_cast<size_t>(at), ",");
  return digits;
}

}  // namespace

std::string time_text(double s) {
  if (s < 9.95) return fmt::format("{:.1f} s", s);
  const auto whole = static_cast<int64_t>(s + 0.5);
  return whole < 60 ? fmt::format("{} s", whole) : fmt::format("{} min {} s", whole / 60, whole % 60);
}

std::string bytes_text(int64_t bytes) {
  if (bytes < 1000) return fmt::format("{} bytes", bytes);
  if (bytes < 999'950) return fmt::format("{:.1f} kB", static_cast<double>(bytes) / 1e3);
  if (bytes < 999'950'000) return fmt::format("{:.1f} MB", static_cast<double>(bytes) / 1e6);
  return grouped((bytes + 500'000) / 1'000'000) + " MB";
}

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::clear() {
  if (terminal_ && !quiet_ && !stage_.empty()) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::operator()(const std::string& stage, int64_t done, int64_t total) {
  if (quiet_) return;
  const Clock::time_point now = Clock::now();
  if (stage != stage_) {
    finish();
    stage_ = stage;
    started_ = shown_ = now;
    if (!terminal_) fmt::print(stderr, "{} ...\n", stage);
  } else if (done < total && now - shown_ < (terminal_ ? Clock::duration(kRedraw) : Clock::duration(kLine))) {
    return;
  }
  if (done >= total) return finish();
  shown_ = now;
  const double passed = seconds(now - started_);
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  const std::string left = done > 0 ? fmt::format(", {} left", time_text(passed / share - passed)) : "";
  if (terminal_) {
    const auto filled = static_cast<size_t>(kBar * share);
    fmt::print(stderr, "\r\033[K{:<40.40} [{:<{}}] {:3.0f} %{}", stage, std::string(filled, '#'), kBar,
               100 * share, left);
    std::fflush(stderr);
  } else if (done > 0) {
    fmt::print(stderr, "{}: {:.0f} %{}\n", stage, 100 * share, left);
  }
}

void ProgressLine::finish() {
  if (quiet_ || stage_.empty()) return;
  clear();
  fmt::print(stderr, "{}: {}\n", stage_, time_text(seconds(Clock::now() - started_)));
  stage_.clear();
}

void ProgressLine::warn(const std::string& text) {
  clear();
  fmt::print(stderr, "vqt-quantize: warning: {}\n", text);
}

}  // namespace vqt::cli
