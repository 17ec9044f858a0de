// What happens and how long it will take, on stderr: a bar with the time left on a terminal, plain lines
// elsewhere, no progress with --quiet.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>

namespace vqt::cli {

class ProgressBar {
 public:
  // program: named by warnings.
  ProgressBar(std::string program, bool quiet, std::FILE* to = stderr);
  ~ProgressBar() { finish(); }
  ProgressBar(const ProgressBar&) = delete;
  ProgressBar& operator=(const ProgressBar&) = delete;

  void start(const std::string& what);       // a new piece of work
  void update(int64_t done, int64_t total);  // how far it is; total 0: unknown
  void tick();                               // redraws the time on a terminal
  void finish();                             // one line with the time it took replaces the bar

  // The same for work that says by itself what it does: another name is a new piece of work, done = total ends
  // it. What is over when it is first heard of is not shown.
  void stage(const std::string& what, int64_t done, int64_t total);

  void note(const std::string& text);  // shown unless quiet
  void warn(const std::string& text);  // always shown

 private:
  using Clock = std::chrono::steady_clock;
  double seconds() const { return std::chrono::duration<double>(Clock::now() - started_).count(); }
  std::string time_left() const;  // ", 12 s left"; empty where nothing is done yet
  void draw();
  void clear_line();
  void print(const std::string& text);

  std::string program_;
  bool quiet_;
  std::FILE* to_;
  bool terminal_;
  std::string what_;  // empty: no work under way
  int64_t done_ = 0, total_ = 0;
  Clock::time_point started_, shown_;  // shown_: the last line where there is no terminal
};

}  // namespace vqt::cli
