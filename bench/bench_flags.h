// The flags of the benchmarks.
#pragma once

#include <ATen/Parallel.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace vqt::bench {

struct Flags {
  bool quick = false, cpu_time = false;
  int repetitions = 15;
  int64_t rows = 0;  // 0: all
};

// --threads takes effect at once. Anything unknown ends the program with 2 and the usage on stderr.
inline Flags parse_flags(int argc, char** argv, const char* name, bool has_cpu_time = false) {
  Flags flags;
  for (int i = 1; i < argc; ++i) {
    const std::string flag = argv[i];
    const auto number = [&] { return std::max(1, std::atoi(argv[++i])); };
    if (flag == "--quick") {
      flags.quick = true;
    } else if (flag == "--cpu-time" && has_cpu_time) {
      flags.cpu_time = true;
    } else if (flag == "--rows" && i + 1 < argc) {
      flags.rows = number();
    } else if (flag == "--threads" && i + 1 < argc) {
      at::set_num_threads(number());
    } else if (flag == "--repetitions" && i + 1 < argc) {
      flags.repetitions = number();
    } else {
      std::fprintf(stderr, "usage: %s [--quick] [--rows M] [--threads N] [--repetitions N]%s, got %s\n", name,
                   has_cpu_time ? " [--cpu-time]" : "", argv[i]);
      std::exit(2);
    }
  }
  return flags;
}

}  // namespace vqt::bench
