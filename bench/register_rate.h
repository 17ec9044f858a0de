// The instructions of int8's inner loop on registers alone: the upper limit for a kernel that multiplies every u8
// by every s8. 12 sums in flight: two instructions per cycle with a latency of 5 need 10.
#pragma once

#include <cstdint>
#include <vector>

#include "cpu/isa.h"
#include "ops/parallel.h"

namespace vqt::bench {

#if defined(__x86_64__)
inline void avx2_loop(int64_t turns) {
#define VQT_ADD(from, to) "vpaddd %%ymm" #from ", %%ymm" #to ", %%ymm" #to "\n\t"
#define VQT_TWO(a, b)                      \
  "vpmaddwd %%ymm12, %%ymm13, %%ymm14\n\t" \
  "vpmaddwd %%ymm12, %%ymm13, %%ymm15\n\t" VQT_ADD(14, a) VQT_ADD(15, b)
  asm volatile("1:\n\t" VQT_TWO(0, 1) VQT_TWO(2, 3) VQT_TWO(4, 5) VQT_TWO(6, 7) VQT_TWO(8, 9)
                   VQT_TWO(10, 11) "dec %0\n\tjnz 1b\n\tvzeroupper"
               : "+r"(turns)
               :
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
#undef VQT_TWO
#undef VQT_ADD
}
inline void avxvnni_loop(int64_t turns) {
#define VQT_DOT(a) "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" #a "\n\t"
  asm volatile("1:\n\t" VQT_DOT(0) VQT_DOT(1) VQT_DOT(2) VQT_DOT(3) VQT_DOT(4) VQT_DOT(5) VQT_DOT(6)
                   VQT_DOT(7) VQT_DOT(8) VQT_DOT(9) VQT_DOT(10) VQT_DOT(11) "dec %0\n\tjnz 1b\n\tvzeroupper"
               : "+r"(turns)
               :
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13");
#undef VQT_DOT
}
inline void avx512vnni_loop(int64_t turns) {
#define VQT_DOT512(a) "vpdpbusd %%zmm12, %%zmm13, %%zmm" #a "\n\t"
  asm volatile("1:\n\t" VQT_DOT512(0) VQT_DOT512(1) VQT_DOT512(2) VQT_DOT512(3) VQT_DOT512(4) VQT_DOT512(5)
                   VQT_DOT512(6) VQT_DOT512(7) VQT_DOT512(8) VQT_DOT512(9) VQT_DOT512(10)
                       VQT_DOT512(11) "dec %0\n\tjnz 1b\n\tvzeroupper"
               : "+r"(turns)
               :
               : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",
                 "xmm10", "xmm11", "xmm12", "xmm13");
#undef VQT_DOT512
}
#endif

// Runs the loop `turns` times. Returns the multiply-adds of one thread, 0 where the instruction set has no loop here.
inline double register_loop(cpu::Isa isa, int64_t turns) {
#if defined(__x86_64__)
  const auto done = [&](int64_t products) { return 12.0 * static_cast<double>(products * turns); };
  switch (isa) {
    case cpu::Isa::kAvx2:  // u8 and s8 widened to 16 bits
      avx2_loop(turns);
      return done(16);
    case cpu::Isa::kAvxVnni:
      avxvnni_loop(turns);
      return done(32);
    case cpu::Isa::kAvx512Vnni:
      avx512vnni_loop(turns);
      return done(64);
    case cpu::Isa::kAmx:  // best_isa() never returns it
    case cpu::Isa::kRef:
      break;
  }
#endif
  (void)isa, (void)turns;
  return 0.0;
}

// Multiply-adds per second on all threads. seconds(work): how long work takes.
template <class Seconds>
double register_rate(cpu::Isa isa, int64_t turns, const Seconds& seconds) {
  const int threads = at::get_num_threads();
  std::vector<double> products(static_cast<size_t>(threads), 0.0);
  const double time = seconds([&] {
    at::parallel_for(0, threads, 1, [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) products[static_cast<size_t>(t)] = register_loop(isa, turns);
    });
  });
  return threads * products[0] / time;
}

}  // namespace vqt::bench
