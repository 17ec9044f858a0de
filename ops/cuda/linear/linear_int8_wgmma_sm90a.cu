#include "cuda/linear/launch.h"
#include "cuda/linear/linear_int8_wgmma.h"

namespace vqt::cuda {
namespace {

template <class Tiles>
const char* launch_result(const LinearInt8& a, LinearResult result, int processors, void* stream) {
  switch (result) {
    case LinearResult::kFloat32:
      return launch<Tiles>(linear_int8_wgmma<Tiles, Float32Result>, a, processors, stream);
    case LinearResult::kBFloat16:
      return launch<Tiles>(linear_int8_wgmma<Tiles, BFloat16Result>, a, processors, stream);
    case LinearResult::kUInt8:
      break;
  }
  return launch<Tiles>(linear_int8_wgmma<Tiles, UInt8Result>, a, processors, stream);
}

}  // namespace

const char* launch_linear_int8_wgmma(const LinearInt8& a, LinearResult result, const LinearTiles& tiles,
                                     int processors, void* stream) {
  using Wide = WgmmaTiles<256, 4>;
  using Narrow = WgmmaTiles<128, 6>;
  if (is_for<Wide>(tiles)) return launch_result<Wide>(a, result, processors, stream);
  if (is_for<Narrow>(tiles)) return launch_result<Narrow>(a, result, processors, stream);
  return "linear_int8_wgmma has no such tiles";
}

}  // namespace vqt::cuda
