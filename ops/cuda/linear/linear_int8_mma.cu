#include "cuda/linear/linear_int8_mma.h"

#include <climits>

#include "cuda/linear/launch.h"

namespace vqt::cuda {
namespace {

template <class Tiles>
const char* launch_result(const LinearInt8& a, LinearResult result, void* stream) {
  switch (result) {
    case LinearResult::kFloat32:
      return launch<Tiles>(linear_int8_mma<Tiles, Float32Result>, a, INT_MAX, stream);
    case LinearResult::kBFloat16:
      return launch<Tiles>(linear_int8_mma<Tiles, BFloat16Result>, a, INT_MAX, stream);
    case LinearResult::kUInt8:
      break;
  }
  return launch<Tiles>(linear_int8_mma<Tiles, UInt8Result>, a, INT_MAX, stream);
}

}  // namespace

const char* launch_linear_int8_mma(const LinearInt8& a, LinearResult result, const LinearTiles& tiles,
                                   void* stream) {
  using Large = MmaTiles<128, 128, 3>;
  using Small = MmaTiles<64, 64, 4>;
  if (is_for<Large>(tiles)) return launch_result<Large>(a, result, stream);
  if (is_for<Small>(tiles)) return launch_result<Small>(a, result, stream);
  return "linear_int8_mma has no such tiles";
}

}  // namespace vqt::cuda
