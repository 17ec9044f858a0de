#include "eval/runs/environment.h"

#include <ATen/Parallel.h>
#include <sys/utsname.h>
#include <torch/headeronly/version.h>
#include <unistd.h>

#include <algorithm>
#include <ctime>
#include <fstream>
#include <sstream>

#include "vqt/low_memory.h"

namespace vqt {
namespace {

// The value of the first line of /proc/cpuinfo that starts with key.
std::string cpuinfo(const std::string& key) {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const size_t value = line.find_first_not_of(" \t", line.find(':') + 1);
    return value == std::string::npos ? "" : line.substr(value);
  }
  return "";
}

// The flags that decide which kernel runs.
std::string relevant_flags() {
  std::istringstream all(cpuinfo("flags"));
  std::string relevant;
  for (std::string flag; all >> flag;) {
    if (flag == "fma" || flag == "f16c" || flag.rfind("avx", 0) == 0 || flag.rfind("amx", 0) == 0) {
      relevant += (relevant.empty() ? "" : " ") + flag;
    }
  }
  return relevant;
}

}  // namespace

nlohmann::ordered_json describe_environment(const std::string& command_line) {
  utsname os = {};
  ::uname(&os);
  char time[32] = {};
  const std::time_t now = std::time(nullptr);
  std::tm utc = {};
  std::strftime(time, sizeof time, "%Y-%m-%dT%H:%M:%SZ", ::gmtime_r(&now, &utc));
  return {{"cpu", cpuinfo("model name")},
          {"cpu_flags", relevant_flags()},
          {"logical_cpus", ::sysconf(_SC_NPROCESSORS_ONLN)},
          {"threads", at::get_num_threads()},
          {"allocator", allocator_text()},
          {"memory_bytes", int64_t{::sysconf(_SC_PHYS_PAGES)} * ::sysconf(_SC_PAGESIZE)},
          {"gpu", nullptr},
          {"driver", nullptr},
          {"cuda", nullptr},
          {"os", std::string(os.sysname) + " " + os.release},
          {"torch", TORCH_VERSION},
          {"vqt", VQT_VERSION},
          {"command_line", command_line},
          {"time", time}};
}

}  // namespace vqt
