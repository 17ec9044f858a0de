#include "cpu/isa.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__x86_64__) || defined(__i386__)
#include <cpuid.h>
#ifdef __linux__
#include <sys/syscall.h>
#include <unistd.h>
#endif
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

bool has_avx512_vnni() {  // __builtin_cpu_supports also checks that the system saves zmm registers
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
         __builtin_cpu_supports("avx512vnni");
}

bool saves_tiles() {  // XCR0: the system saves tile configuration and tiles of a thread
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  if (!__get_cpuid(1, &eax, &ebx, &ecx, &edx) || (ecx >> 27 & 1) == 0) return false;  // no xgetbv
  unsigned low = 0, high = 0;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3) == 3;
}

bool may_use_tiles() {  // Linux gives a process the tiles' state on request
#if defined(__linux__) && defined(__x86_64__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  static const bool granted = ::syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
#else
  return false;
#endif
}

bool has_amx() {
  unsigned eax = 0, ebx = 0, ecx = 0, edx = 0;
  return has_avx512_vnni() && __get_cpuid_count(7, 0, &eax, &ebx, &ecx, &edx) && (edx >> 24 & 3) == 3 &&
         saves_tiles() && may_use_tiles();  // amx_tile, amx_int8
}
#endif

constexpr Isa kNamed[] = {Isa::kRef, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmx};

std::string list_isas(bool only_available) {
  std::string names;
  for (Isa isa : kNamed) {
    if (only_available && !available(isa)) continue;
    names += (names.empty() ? "" : ", ") + std::string(to_string(isa));
  }
  return names;
}

Isa require_available(Isa isa, const char* who) {
  if (isa == Isa::kAmx || available(isa)) return isa;
  throw std::runtime_error(std::string(who) + ": expected an instruction set of this CPU (" +
                           list_isas(true) + "), got " + to_string(isa));
}

Isa best_with_kernels() {
  Isa best = Isa::kRef;
  for (Isa isa : kIsas) {
    if (available(isa)) best = isa;
  }
  return best;
}

// What kernels are chosen by, and when products go through torch.
struct Choice {
  Isa isa;
  AmxUse amx;
};

Choice forced(Isa isa) {
  return isa == Isa::kAmx ? Choice{best_with_kernels(), AmxUse::kAlways} : Choice{isa, AmxUse::kNever};
}

Choice choice_from_environment() {
  const char* name = std::getenv("VQT_ISA");
  if (name != nullptr && *name != '\0') return forced(require_available(isa_from(name), "VQT_ISA"));
  return {best_with_kernels(), available(Isa::kAmx) ? AmxUse::kWhereItPays : AmxUse::kNever};
}

std::atomic<int> g_override{-1};

Choice choice() {
  const int isa = g_override.load(std::memory_order_relaxed);
  if (isa >= 0) return forced(static_cast<Isa>(isa));
  static const Choice from_environment = choice_from_environment();
  return from_environment;
}

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
    case Isa::kAmx:
      return "amx";
  }
  return "?";
}

Isa isa_from(const std::string& name) {
  for (Isa isa : kNamed) {
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
    case Isa::kAmx:
      return has_amx();
  }
#endif
  return isa == Isa::kRef;
}

Isa best_isa() { return choice().isa; }

AmxUse amx_use() { return choice().amx; }

void set_isa_for_testing(Isa isa) {
  g_override = static_cast<int>(require_available(isa, "set_isa_for_testing"));
}

void reset_isa_for_testing() { g_override = -1; }

}  // namespace vqt::cpu
