#include "loader/cli/cpu_load.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

namespace vqt::cli {
namespace {

constexpr double kBusy = 0.1;          // the system's own threads stay below it
constexpr double kLeastSeconds = 0.2;  // of all CPUs together: a tick is 10 ms

std::vector<int> usable_cpus() {
  cpu_set_t set;
  std::vector<int> cpus;
  if (::sched_getaffinity(0, sizeof set, &set) != 0) return cpus;
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &set)) cpus.push_back(cpu);
  }
  return cpus;
}

double seconds(const timeval& time) { return static_cast<double>(time.tv_sec) + 1e-6 * time.tv_usec; }

}  // namespace

CpuTimes cpu_times(const std::string& proc_stat, const std::vector<int>& cpus, double ticks_per_second) {
  CpuTimes times;
  std::istringstream lines(proc_stat);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    std::string name;
    words >> name;
    const bool counts =
        std::any_of(cpus.begin(), cpus.end(), [&](int cpu) { return name == fmt::format("cpu{}", cpu); });
    if (!counts) continue;
    // user nice system idle iowait irq softirq steal; what follows is part of user and nice
    double ticks = 0;
    for (int column = 0; column < 8 && words >> ticks; ++column) {
      const bool idle = column == 3 || column == 4;
      times.all += ticks / ticks_per_second;
      if (!idle) times.used += ticks / ticks_per_second;
    }
  }
  return times;
}

CpuTimes cpu_times_now() {
  std::ostringstream text;
  text << std::ifstream("/proc/stat").rdbuf();
  CpuTimes times = cpu_times(text.str(), usable_cpus(), static_cast<double>(::sysconf(_SC_CLK_TCK)));
  rusage own = {};
  ::getrusage(RUSAGE_SELF, &own);
  times.own = seconds(own.ru_utime) + seconds(own.ru_stime);
  return times;
}

double used_by_others(const CpuTimes& before, const CpuTimes& after) {
  const double all = after.all - before.all;
  if (all < kLeastSeconds) return 0;
  return std::clamp((after.used - before.used - (after.own - before.own)) / all, 0.0, 1.0);
}

std::string busy_text(double used_by_others) {
  if (used_by_others < kBusy) return "";
  return fmt::format("other processes used {:.0f} % of the CPUs", 100 * used_by_others);
}

}  // namespace vqt::cli
