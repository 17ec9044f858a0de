#include "loader/cli/wait_policy.h"

#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

namespace vqt::cli {
namespace {

// Longer loses more beside another process, shorter loses on an idle machine where parallel loops are short.
constexpr double kSpinNs = 5e3;

bool is_set(char** environment, const char* name) {
  const size_t length = std::strlen(name);
  for (; *environment != nullptr; ++environment) {
    if (std::strncmp(*environment, name, length) == 0 && (*environment)[length] == '=') return true;
  }
  return false;
}

// One iteration of libgomp's loop: from 10 to 70 ns, depending on the CPU.
double pause_ns() {
  constexpr int kPauses = 200;
  double least = 1e9;
  for (int repeat = 0; repeat < 5; ++repeat) {  // the least: other processes may run in between
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < kPauses; ++i) __builtin_ia32_pause();
    const std::chrono::duration<double, std::nano> took = std::chrono::steady_clock::now() - start;
    least = std::min(least, took.count() / kPauses);
  }
  return std::max(least, 1.0);
}

void spin_briefly(int, char** argv, char** environment) {
  if (is_set(environment, "OMP_WAIT_POLICY") || is_set(environment, "GOMP_SPINCOUNT")) return;
  char program[PATH_MAX];  // not /proc/self/exe: `ps` and `top` would say "exe"
  const ssize_t length = ::readlink("/proc/self/exe", program, sizeof program - 1);
  if (length < 0) return;
  program[length] = '\0';
  std::string setting = fmt::format("GOMP_SPINCOUNT={:.0f}", std::max(1.0, kSpinNs / pause_ns()));
  std::vector<char*> with_setting = {setting.data()};
  for (char** entry = environment; *entry != nullptr; ++entry) with_setting.push_back(*entry);
  with_setting.push_back(nullptr);
  ::execve(program, argv, with_setting.data());  // where it fails the program goes on as it is
}

// libgomp reads the variable in its constructor, before main: only this section of a program runs earlier. The
// cost is that of mapping the libraries again, not of their constructors.
__attribute__((section(".preinit_array"), used)) void (*const kBeforeLibgomp)(int, char**,
                                                                              char**) = spin_briefly;

}  // namespace

void set_wait_policy() {}  // done before main; the call makes the linker take this file

}  // namespace vqt::cli
