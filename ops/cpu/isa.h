// Instruction sets the kernels are written for, and which of them this process uses.
#pragma once

#include <string>

namespace vqt::cpu {

// In rising order of preference. AMX has kernels for attention and for int8 products of many rows; everything else
// takes the best of the others.
enum class Isa { kRef, kAvx2, kAvxVnni, kAvx512Vnni, kAmx };

// Those with kernels for everything.
constexpr Isa kIsas[] = {Isa::kRef, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};

// "ref", "avx2", "avxvnni", "avx512vnni", "amx": the spelling of VQT_ISA.
const char* to_string(Isa isa);
// Throws std::runtime_error that lists the names.
Isa isa_from(const std::string& name);

// Whether this CPU and its operating system can run it.
bool available(Isa isa);

// What kernels are chosen by, one of kIsas: VQT_ISA where it is set (read once), else, and with "amx", the
// last one that is available. Throws std::runtime_error when VQT_ISA names something unknown, or something
// this CPU lacks.
Isa best_isa();

// Whether int8 products use AMX: where the CPU has it and nothing is forced, from some rows on (linear_plan.cpp). "amx"
// forces torch's product (linear_amx.h), which uses oneDNN's AMX kernels, for any number of rows and on any CPU:
// without AMX torch takes other instructions, many times slower on some, to the same result.
enum class AmxUse { kNever, kWhereItPays, kAlways };
AmxUse amx_use();

// For kernels that have no variant for AVX-VNNI: it uses AVX2's.
template <class Kernel>
Kernel kernel_for(Isa isa, Kernel ref, Kernel avx2, Kernel avx512vnni) {
  if (isa == Isa::kRef) return ref;
  return isa == Isa::kAvx512Vnni ? avx512vnni : avx2;
}

// Overrides best_isa() and amx_use() until reset_isa_for_testing(). Throws as best_isa() where the
// CPU lacks it.
void set_isa_for_testing(Isa isa);
void reset_isa_for_testing();

}  // namespace vqt::cpu
