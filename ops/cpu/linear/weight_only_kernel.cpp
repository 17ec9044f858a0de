#include "cpu/linear/weight_only_kernel.h"

namespace vqt::cpu {

WeightOnlyFn weight_only_kernel(LinearKernel kernel) {
  switch (kernel) {
    case LinearKernel::kWeightOnlyRef:
      return &weight_only_ref;
    case LinearKernel::kWeightOnlySmallMAvx2:
      return &weight_only_small_m_avx2;
    case LinearKernel::kWeightOnlyLargeMAvx2:
      return &weight_only_large_m_avx2;
    case LinearKernel::kWeightOnlySmallMAvx512Vnni:
      return &weight_only_small_m_avx512vnni;
    case LinearKernel::kWeightOnlyLargeMAvx512Vnni:
      return &weight_only_large_m_avx512vnni;
    default:
      return nullptr;
  }
}

bool set_weight(WeightOnlyJob& a, const PackedHeader& h, const uint8_t* block) {
  const PackedSections s = sections(h);
  a.k = h.k;
  a.w = block + s.weight;
  a.symmetric = h.symmetric != 0;
  a.k_pad = a.group = s.k_pad;
  a.groups = 1;
  if (h.layout == Layout::kCpuInt8) {
    a.kind = WeightOnlyJob::Kind::kInt8;
    a.scale = reinterpret_cast<const float*>(block + s.scale);
    a.zero = a.symmetric ? nullptr : reinterpret_cast<const int32_t*>(block + s.zero);
    return true;
  }
  if (h.layout == Layout::kCpuInt4) {
    a.kind = WeightOnlyJob::Kind::kInt4;
    a.groups = s.groups;
    a.group = s.group;
    a.group_bytes = s.group_bytes;
    return true;
  }
  if (h.bits == 16 && h.granularity != Granularity::kGroup) {
    a.kind = WeightOnlyJob::Kind::kInt16;
    a.scale = reinterpret_cast<const float*>(block + s.scale);
    a.one_scale = h.granularity == Granularity::kPerTensor;
    return true;
  }
  return false;
}

}  // namespace vqt::cpu
