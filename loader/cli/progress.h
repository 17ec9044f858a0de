// What happens and how long it will take, on stderr: a bar on a terminal, plain lines elsewhere.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vqt::cli {

class ProgressLine {
 public:
  explicit ProgressLine(bool quiet);
  ~ProgressLine() { finish(); }

  // A new stage begins where the name changes; done = total ends it.
  void operator()(const std::string& stage, int64_t done, int64_t total);
  void finish();
  void warn(const std::string& text);  // shown with --quiet too

 private:
  using Clock = std::chrono::steady_clock;
  void clear();

  bool quiet_, terminal_;
  std::string stage_, last_;  // under way, and the one that ended before it
  Clock::time_point started_, shown_;
};

// "0.4 s", "12 s", "3 min 5 s".
std::string time_text(double seconds);
// "512 bytes", "4.2 kB", "1.5 MB", "5,026 MB": powers of ten.
std::string bytes_text(int64_t bytes);
// "3.20x smaller", "1.06x larger".
std::string ratio_text(int64_t before, int64_t after);

}  // namespace vqt::cli
