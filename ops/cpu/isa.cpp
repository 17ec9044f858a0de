#include "cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#define VQT_X86 1
#endif

namespace vqt::cpu {
namespace {

#if VQT_X86
bool has_avx2() { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"); }

bool has_avx_vnni() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return has_avx2() && __get_cpuid_count(7, 1, &eax, &ebx, &ecx, &edx) && (eax >> 4 & 1);
}

bool has_avx512_vnni() {  // __builtin_cpu_supports also asks whether the system saves zmm registers
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}
#endif

std::string list_isas(bool only_available) {
  std::string names;
  for (Isa isa : kIsas) {
    if (only_available && !available(isa)) continue;
    names += (names.empty() ? "" : ", ") + std::string(to_string(isa));
  }
  return names;
}

Isa require_available(Isa isa, const char* who) {
  if (available(isa)) return isa;
  throw std::runtime_error(std::string(who) + ": expected an instruction set of this CPU (" +
                           list_isas(true) + "), got " + to_string(isa));
}

Isa isa_from_environment() {
  const char* name = std::getenv("VQT_ISA");
  if (name != nullptr && *name != '\0') return require_available(isa_from(name), "VQT_ISA");
  Isa best = Isa::kRef;
  for (Isa isa : kIsas) {
    if (available(isa)) best = isa;
  }
  return best;
}

std::atomic<int> g_override{-1};

}  // namespace

const char* to_string(Isa isa) {
  switch (isa) {
    case Isa::kRef:
      return "ref";
    case Isa::kAvx2:
      return "avx2";
    case Isa::kAvxVnni:
      return "avxvnni";
    case Isa::kAvx512Vnni:
      return "avx512vnni";
  }
  return "?";
}

Isa isa_from(const std::string& name) {
  for (Isa isa : kIsas) {
    if (name == to_string(isa)) return isa;
  }
  throw std::runtime_error("VQT_ISA: expected one of " + list_isas(false) + ", got \"" + name +
                           "\"; this CPU has " + list_isas(true));
}

bool available(Isa isa) {
#if VQT_X86
  switch (isa) {
    case Isa::kRef:
      return true;
    case Isa::kAvx2:
      return has_avx2();
    case Isa::kAvxVnni:
      return has_avx_vnni();
    case Isa::kAvx512Vnni:
      return has_avx512_vnni();
  }
#endif
  return isa == Isa::kRef;
}

Isa best_isa() {
  const int forced = g_override.load(std::memory_order_relaxed);
  if (forced >= 0) return static_cast<Isa>(forced);
  static const Isa isa = isa_from_environment();
  return isa;
}

void set_isa_for_testing(Isa isa) {
  g_override = static_cast<int>(require_available(isa, "set_isa_for_testing"));
}

void reset_isa_for_testing() { g_override = -1; }

}  // namespace vqt::cpu
