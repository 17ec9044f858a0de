#include "cuda/linear/linear_int8_small_m.h"

#include <climits>

#include "cuda/linear/launch.h"

namespace vqt::cuda {
namespace {

template <class Tiles>
const char* launch_result(const LinearInt8& a, LinearResult result, void* stream) {
  switch (result) {
    case LinearResult::kFloat32:
      return launch<Tiles>(linear_int8_small_m<Tiles, Float32Result>, a, INT_MAX, stream);
    case LinearResult::kBFloat16:
      return launch<Tiles>(linear_int8_small_m<Tiles, BFloat16Result>, a, INT_MAX, stream);
    case LinearResult::kUInt8:
      break;
  }
  return launch<Tiles>(linear_int8_small_m<Tiles, UInt8Result>, a, INT_MAX, stream);
}

}  // namespace

const char* launch_linear_int8_small_m(const LinearInt8& a, LinearResult result, const LinearTiles& tiles,
                                       void* stream) {
  using Few = SmallMTiles<16, 6>;
  using Many = SmallMTiles<64, 4>;
  if (is_for<Few>(tiles) && a.rows <= Few::kRows) return launch_result<Few>(a, result, stream);
  if (is_for<Many>(tiles) && a.rows <= Many::kRows) return launch_result<Many>(a, result, stream);
  return "linear_int8_small_m has no such tiles";
}

}  // namespace vqt::cuda
