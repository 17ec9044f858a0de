// Progress on stderr.
#include "loader/cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

namespace vqt::cli {
namespace {

constexpr int kBar = 24;
constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kLine{15};
constexpr double kTold = 1;  // seconds from which a stage says how long it took

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

std::string ratio_text(int64_t before, int64_t after) {
  if (after <= 0 || before <= 0) return "";
  const double ratio = static_cast<double>(before) / static_cast<double>(after);
  return ratio >= 1 ? fmt::format("{:.2f}x smaller", ratio) : fmt::format("{:.2f}x larger", 1 / ratio);
}

ProgressLine::ProgressLine(bool quiet) : quiet_(quiet), terminal_(::isatty(STDERR_FILENO) == 1) {}

void ProgressLine::clear() {
  if (terminal_ && !quiet_ && !stage_.empty()) fmt::print(stderr, "\r\033[K");
}

void ProgressLine::operator()(const std::string& stage, int64_t done, int64_t total) {
  if (quiet_) return;
  const Clock::time_point now = Clock::now();
  const bool begins = stage != stage_;
  if (begins) {
    if (done >= total && (stage == last_ || done > 0)) return;  // already told, or over before it was seen
    finish();
    stage_ = stage;
    started_ = shown_ = now;
    if (!terminal_) fmt::print(stderr, "{} ...\n", stage);
  }
  if (done >= total) return finish();
  if (!terminal_ && (begins || now - shown_ < kLine)) return;
  if (terminal_ && !begins && now - shown_ < kRedraw) return;
  shown_ = now;
  const double passed = seconds(now - started_);
  const double share = total > 0 ? static_cast<double>(done) / static_cast<double>(total) : 0;
  const std::string left = done > 0 ? fmt::format(", {} left", time_text(passed / share - passed)) : "";
  if (terminal_) {
    const auto filled = static_cast<size_t>(kBar * share);
    fmt::print(stderr, "\r\033[K{:<40.40} [{:<{}}] {:3.0f} %{}", stage, std::string(filled, '#'), kBar,
               100 * share, left);
    std::fflush(stderr);
  } else {
    fmt::print(stderr, "{}: {:.0f} %{}\n", stage, 100 * share, left);
  }
}

void ProgressLine::finish() {
  if (quiet_ || stage_.empty()) return;
  clear();
  const double took = seconds(Clock::now() - started_);
  if (terminal_ || took >= kTold) fmt::print(stderr, "{}: {}\n", stage_, time_text(took));
  last_ = stage_;
  stage_.clear();
}

void ProgressLine::warn(const std::string& text) {
  clear();
  fmt::print(stderr, "vqt-quantize: warning: {}\n", text);
}

}  // namespace vqt::cli
