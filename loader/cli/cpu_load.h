// How much of the machine other processes used while something was timed.
#pragma once

#include <string>
#include <vector>

namespace vqt::cli {

// CPU time in seconds up to now, summed over the CPUs that this process may use.
struct CpuTimes {
  double all = 0;   // whether used or idle
  double used = 0;  // by any process, or taken by another virtual machine
  double own = 0;   // by this process
};
// Of a text like /proc/stat's, whose unit is a tick; own stays 0.
CpuTimes cpu_times(const std::string& proc_stat, const std::vector<int>& cpus, double ticks_per_second);
CpuTimes cpu_times_now();  // zeros where the system does not say

// The share, 0 to 1, of the CPUs' time between the two that was not this process's own use and not idle. 0 where
// they are too close to say.
double used_by_others(const CpuTimes& before, const CpuTimes& after);

// "other processes used 45 % of the CPUs", where that is enough to make times unreliable; else "".
std::string busy_text(double used_by_others);

}  // namespace vqt::cli
