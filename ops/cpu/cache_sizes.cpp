#include "cpu/cache_sizes.h"

#ifdef __unix__
#include <unistd.h>
#endif

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <stdexcept>
#include <string>

namespace vqt::cpu {
namespace {

constexpr int64_t kLeast = int64_t{64} << 10;

int64_t from_variable(const char* name, const char* text) {
  errno = 0;
  char* end = nullptr;
  const long long bytes = std::strtoll(text, &end, 10);
  if (*end == '\0' && errno == 0 && bytes >= kLeast) return bytes;
  throw std::runtime_error(std::string(name) + ": expected a number of bytes, 65536 or more, got \"" + text +
                           "\"");
}

// 0: unknown. Some virtual machines report nothing.
int64_t system_l2() {
#ifdef _SC_LEVEL2_CACHE_SIZE
  return ::sysconf(_SC_LEVEL2_CACHE_SIZE);
#else
  return 0;
#endif
}

int64_t system_l3() {
#ifdef _SC_LEVEL3_CACHE_SIZE
  return ::sysconf(_SC_LEVEL3_CACHE_SIZE);
#else
  return 0;
#endif
}

std::atomic<int64_t> g_l2{0}, g_l3{0};  // overrides, 0: none

}  // namespace

CacheSizes cache_sizes_from(const char* l2, const char* l3, int64_t system_l2, int64_t system_l3) {
  CacheSizes sizes;
  if (system_l2 >= kLeast) sizes.l2 = system_l2;
  if (system_l3 >= kLeast) sizes.l3 = system_l3;
  if (l2 != nullptr && *l2 != '\0') sizes.l2 = from_variable("VQT_L2_BYTES", l2);
  if (l3 != nullptr && *l3 != '\0') sizes.l3 = from_variable("VQT_L3_BYTES", l3);
  return sizes;
}

CacheSizes cache_sizes() {
  static const CacheSizes of_machine =
      cache_sizes_from(std::getenv("VQT_L2_BYTES"), std::getenv("VQT_L3_BYTES"), system_l2(), system_l3());
  const int64_t l2 = g_l2.load(std::memory_order_relaxed), l3 = g_l3.load(std::memory_order_relaxed);
  return {l2 > 0 ? l2 : of_machine.l2, l3 > 0 ? l3 : of_machine.l3};
}

void set_cache_sizes_for_testing(const CacheSizes& sizes) {
  g_l2 = sizes.l2;
  g_l3 = sizes.l3;
}

void reset_cache_sizes_for_testing() { g_l2 = g_l3 = 0; }

}  // namespace vqt::cpu
