// Instruction sets the kernels are written for, and which of them this process uses.
#pragma once

#include <string>

namespace vqt::cpu {

enum class Isa { kRef, kAvx2, kAvxVnni, kAvx512Vnni };  // in rising order of preference

constexpr Isa kIsas[] = {Isa::kRef, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni};

// "ref", "avx2", "avxvnni", "avx512vnni": the spelling of VQT_ISA.
const char* to_string(Isa isa);
// Throws std::runtime_error that lists the names.
Isa isa_from(const std::string& name);

// Whether this CPU and its operating system can run it.
bool available(Isa isa);

// What kernels are chosen by: VQT_ISA where it is set (read once), else the last one of kIsas that is
// available. Throws std::runtime_error when VQT_ISA names something unknown, or something this CPU lacks.
Isa best_isa();

// Overrides best_isa() until reset_isa_for_testing(). Throws as best_isa() where the CPU lacks it.
void set_isa_for_testing(Isa isa);
void reset_isa_for_testing();

}  // namespace vqt::cpu
