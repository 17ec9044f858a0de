#include "vqt/packed_format.h"

#include "cpu/layout/packed_weight.h"

namespace vqt {

int64_t packed_format_version() { return cpu::kPackedVersion; }

bool has_fast_layout(int64_t k, const Scheme& scheme) {
  return cpu::fast_layout(k, scheme) != cpu::Layout::kCanonical;
}

int64_t packed_bytes(int64_t n, int64_t k, const Scheme& scheme, bool fast) {
  if (n == 0) return 0;
  const cpu::Layout layout = fast ? cpu::fast_layout(k, scheme) : cpu::Layout::kCanonical;
  const int64_t total = cpu::sections(cpu::make_header(n, k, scheme, layout)).total;
  return n * ((total + n - 1) / n);  // the tensor is [n, bytes per row]
}

}  // namespace vqt
