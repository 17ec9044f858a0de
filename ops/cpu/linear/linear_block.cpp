#include "cpu/linear/linear_block.h"

#include <algorithm>

#include "cpu/layout/activation.h"
#include "cpu/layout/panel.h"

namespace vqt::cpu {
namespace {

// The sizes at which the kernels were tuned: 512 KB (Zen 3, AVX2) and 1 MB (Zen 4, AVX512-VNNI) of L2.
// With a smaller L2 blocks shrink in proportion. With a larger one they stay: what larger blocks gain
// was not measured.
constexpr int64_t kTunedL2 = int64_t{1} << 20;

int64_t l2_of(const CacheSizes& caches) { return std::min(caches.l2, kTunedL2); }

// x of a row block with VNNI: 600 KB of 1 MB. With the column block and the next one 850 KB at k = 4096 (12
// tiles), 1.1 MB at 8192 (6 tiles), where more tiles mean that the weights are read from memory less often.
int64_t x_bytes_vnni(const CacheSizes& caches) { return l2_of(caches) / 1024 * 600; }

// Half of L2 on AVX2: of the weights that Strassen's scheme widens, and of the x of an int4 row block.
int64_t half_l2_avx2(const CacheSizes& caches) {
  return std::min<int64_t>(caches.l2 / 2, int64_t{256} << 10);
}

// What is used again after a whole pass over the weights: widened x, and float weights for torch's product. A
// quarter of L3, as threads share it, and at most 4 MB: beyond it nothing was gained.
int64_t l3_bytes(const CacheSizes& caches) { return std::min<int64_t>(caches.l3 / 4, int64_t{4} << 20); }

LinearBlock strassen_block(int64_t k, const CacheSizes& caches) {
  const StrassenDepth d = strassen_depth(k);
  const int64_t x_bytes = 4 * d.kOperands * d.passes * d.x_operand(),
                w_bytes = 4 * d.kOperands * d.w_operand();
  return {std::max<int64_t>(l3_bytes(caches) / x_bytes, 1) * d.kRows,
          std::max<int64_t>(half_l2_avx2(caches) / w_bytes, 1) * d.kColumns, 4 * d.pass_lanes};
}

// 4 rows or fewer wait for memory and for the latency of vpdpbusd: with more panels it is read at more places at a
// time, and more sums are in flight.
int64_t columns_avx512(int64_t rows) { return (rows <= 2 ? 8 : rows <= 4 ? 4 : 2) * kPanel; }

int64_t rows_avx512(int64_t k_pad, int64_t most_tiles, const CacheSizes& caches) {
  const int64_t tile = activation_tile(Isa::kAvx512Vnni);
  return std::clamp<int64_t>(x_bytes_vnni(caches) / (tile * k_pad), 1, most_tiles) * tile;
}

// Rows of x whose `depth` float values take 9/16 of an L2 of 512 KB, whole tiles, at most `most`.
int64_t rows_weight_only(int64_t depth, int64_t tile, int64_t most, const CacheSizes& caches) {
  const int64_t bytes = std::min<int64_t>(caches.l2, int64_t{512} << 10) / 16 * 9;
  return std::clamp(bytes / (depth * 4) / tile * tile, tile, most);
}

}  // namespace

StrassenDepth strassen_depth(int64_t k) {
  constexpr int64_t kMaxLanes = 512;  // of one pass
  StrassenDepth d;
  d.lanes = (k + 3) / 4;
  d.passes = std::max<int64_t>((d.lanes + kMaxLanes - 1) / kMaxLanes, 1);
  d.pass_lanes = (d.lanes + d.passes - 1) / d.passes;
  d.half = (d.pass_lanes + 15) / 16 * 8;
  return d;
}

LinearBlock linear_block(LinearKernel kernel, int64_t rows, int64_t k, int64_t group,
                         const CacheSizes& caches) {
  const int64_t k_pad = std::max<int64_t>(activation_depth(k), 8);
  switch (kernel) {
    case LinearKernel::kInt8Ref:
    case LinearKernel::kInt4Ref:
    case LinearKernel::kCanonical:
    case LinearKernel::kWeightOnlyRef:
      break;
    case LinearKernel::kInt8DirectAvx2:
      return {0, kPanel, 0};
    case LinearKernel::kInt8StrassenAvx2:
      return strassen_block(k, caches);
    case LinearKernel::kInt8AvxVnni:
      return {x_bytes_vnni(caches) / (6 * k_pad) * 6 + 6, kPanel, 0};
    case LinearKernel::kInt8Avx512Vnni:
      return {rows_avx512(k_pad, INT64_MAX, caches), columns_avx512(rows), 0};
    case LinearKernel::kInt8Amx:
      return {rows_avx512(k_pad, INT64_MAX, caches), 2 * kPanel, 0};
    case LinearKernel::kInt8Torch:
      return {0, 1024, 0};  // the int32 sums and the part of the weight are scratch memory
    case LinearKernel::kInt4SmallMAvx2:
      return {4, kPanel, group};
    case LinearKernel::kInt4LargeMAvx2:  // float sums of 96 rows are 6 KB of L1
      return {std::clamp<int64_t>(half_l2_avx2(caches) / k_pad, 3, 96), kPanel, group};
    case LinearKernel::
        kInt4AvxVnni:  // unpacking a group costs 2 % of 96 rows; their float sums are 6 KB of L1
      return {96, kPanel, group};
    case LinearKernel::kInt4SmallMAvx512Vnni:
      return {0, columns_avx512(rows), group};
    case LinearKernel::kInt4LargeMAvx512Vnni:  // float sums of 12 tiles are 18 KB of L1
      return {rows_avx512(k_pad, 12, caches), 2 * kPanel, group};
    case LinearKernel::kWeightOnlySmallMAvx2:
    case LinearKernel::kWeightOnlySmallMAvx512Vnni:
      return {4, kPanel, 0};
    case LinearKernel::kWeightOnlyLargeMAvx2:
      return {rows_weight_only(kWeightOnlyDepthAvx2, 6, 192, caches), kPanel, kWeightOnlyDepthAvx2};
    case LinearKernel::kWeightOnlyLargeMAvx512Vnni:
      return {rows_weight_only(kWeightOnlyDepthAvx512, 14, 224, caches), 2 * kPanel, kWeightOnlyDepthAvx512};
    case LinearKernel::kWeightOnlyTorch:  // fewer, larger products are faster
      return {0, std::max<int64_t>(l3_bytes(caches) / 4 / std::max<int64_t>(k, 1), 16), 0};
  }
  return {};
}

}  // namespace vqt::cpu
