#include "cpu/linear/linear_kernel.h"

#include <atomic>
#include <iterator>

namespace vqt::cpu {
namespace {

std::atomic<int64_t> g_runs[std::size(kLinearKernels)];

}  // namespace

const char* to_string(LinearKernel kernel) {
  switch (kernel) {
    case LinearKernel::kInt8Ref:
      return "linear_int8_ref";
    case LinearKernel::kInt8DirectAvx2:
      return "linear_int8_direct_avx2";
    case LinearKernel::kInt8StrassenAvx2:
      return "linear_int8_strassen_avx2";
    case LinearKernel::kInt8AvxVnni:
      return "linear_int8_avxvnni";
    case LinearKernel::kInt8Avx512Vnni:
      return "linear_int8_avx512vnni";
    case LinearKernel::kInt8Amx:
      return "linear_int8_amx";
    case LinearKernel::kInt8Torch:
      return "linear_int8_torch";
    case LinearKernel::kInt4Ref:
      return "linear_int4_ref";
    case LinearKernel::kInt4SmallMAvx2:
      return "linear_int4_small_m_avx2";
    case LinearKernel::kInt4LargeMAvx2:
      return "linear_int4_large_m_avx2";
    case LinearKernel::kInt4AvxVnni:
      return "linear_int4_avxvnni";
    case LinearKernel::kInt4SmallMAvx512Vnni:
      return "linear_int4_small_m_avx512vnni";
    case LinearKernel::kInt4LargeMAvx512Vnni:
      return "linear_int4_large_m_avx512vnni";
    case LinearKernel::kCanonical:
      return "linear_canonical";
    case LinearKernel::kWeightOnlyRef:
      return "weight_only_ref";
    case LinearKernel::kWeightOnlySmallMAvx2:
      return "weight_only_small_m_avx2";
    case LinearKernel::kWeightOnlyLargeMAvx2:
      return "weight_only_large_m_avx2";
    case LinearKernel::kWeightOnlySmallMAvx512Vnni:
      return "weight_only_small_m_avx512vnni";
    case LinearKernel::kWeightOnlyLargeMAvx512Vnni:
      return "weight_only_large_m_avx512vnni";
    case LinearKernel::kWeightOnlyTorch:
      return "weight_only_torch";
  }
  return "?";
}

Isa isa_of(LinearKernel kernel) {
  switch (kernel) {
    case LinearKernel::kInt8DirectAvx2:
    case LinearKernel::kInt8StrassenAvx2:
    case LinearKernel::kInt4SmallMAvx2:
    case LinearKernel::kInt4LargeMAvx2:
    case LinearKernel::kWeightOnlySmallMAvx2:
    case LinearKernel::kWeightOnlyLargeMAvx2:
      return Isa::kAvx2;
    case LinearKernel::kInt8AvxVnni:
    case LinearKernel::kInt4AvxVnni:
      return Isa::kAvxVnni;
    case LinearKernel::kInt8Avx512Vnni:
    case LinearKernel::kInt4SmallMAvx512Vnni:
    case LinearKernel::kInt4LargeMAvx512Vnni:
    case LinearKernel::kWeightOnlySmallMAvx512Vnni:
    case LinearKernel::kWeightOnlyLargeMAvx512Vnni:
      return Isa::kAvx512Vnni;
    case LinearKernel::kInt8Amx:
      return Isa::kAmx;
    case LinearKernel::kInt8Ref:
    case LinearKernel::kInt8Torch:
    case LinearKernel::kInt4Ref:
    case LinearKernel::kCanonical:
    case LinearKernel::kWeightOnlyRef:
    case LinearKernel::kWeightOnlyTorch:
      break;
  }
  return Isa::kRef;
}

bool is_torch(LinearKernel kernel) {
  return kernel == LinearKernel::kInt8Torch || kernel == LinearKernel::kWeightOnlyTorch;
}

void count_run(LinearKernel kernel) {
  g_runs[static_cast<int>(kernel)].fetch_add(1, std::memory_order_relaxed);
}

int64_t runs_of(LinearKernel kernel) {
  return g_runs[static_cast<int>(kernel)].load(std::memory_order_relaxed);
}

}  // namespace vqt::cpu
