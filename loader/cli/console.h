// Progress and warnings on stderr: a bar with time left on a terminal, plain lines elsewhere, no progress
// with --quiet.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>

namespace vqt {

class Console {
 public:
  explicit Console(bool quiet);
  ~Console() { finish(); }

  void start(const std::string& what);       // a new piece of work
  void update(int64_t done, int64_t total);  // how far it is
  void tick();                               // redraws the time on a terminal
  void finish();                             // the bar is replaced by one line with the time it took
  void note(const std::string& text);        // shown unless quiet
  void warn(const std::string& text);        // always shown

 private:
  using Clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  void draw();
  void clear_line();

  bool quiet_, terminal_;
  std::string what_;  // empty: nothing under way
  int64_t done_ = 0, total_ = 0;
  Clock::time_point started_, last_line_;
};

// "0.4 s", "12 s", "3 min 05 s", "2 h 10 min".
std::string duration_text(double seconds);

}  // namespace vqt
