// int4 on AVX-VNNI: the AVX2 kernel. Its s16 sums of vpmaddubsw need about as many instructions a product as
// vpdpbusd on unpacked nibbles would, and the CPUs with AVX-VNNI but without AVX512-VNNI are few.
#include "cpu/linear_int4_kernel.h"

namespace vqt::cpu {

void linear_int4_avxvnni(const LinearInt4& a, Range rows, Range columns) {
  linear_int4_avx2(a, rows, columns);
}

}  // namespace vqt::cpu
