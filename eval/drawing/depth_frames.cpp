#include "eval/drawing/depth_frames.h"

namespace vqt {

DepthPlanes depth_planes(const OutputsFile& file, const std::string& path, int64_t limit) {
  DepthPlanes planes;
  for (const ForwardOutputs& f : file.passes()) {
    if (static_cast<int64_t>(planes.size()) >= limit) break;
    const at::Tensor depth = file.read(*f.find(path)).to(at::kFloat).contiguous();
    const int64_t pixels = depth.numel() / f.count;
    for (int64_t i = 0; i < f.count && static_cast<int64_t>(planes.size()) < limit; ++i) {
      const float* plane = depth.data_ptr<float>() + i * pixels;
      planes.emplace_back(plane, plane + pixels);
    }
  }
  return planes;
}

std::vector<DepthFrame> depth_frames(DepthPlanes planes, const ImageFile& images) {
  std::vector<DepthFrame> frames;
  for (size_t i = 0; i < planes.size(); ++i) {
    const auto index = static_cast<int64_t>(i);
    const at::Tensor photo = read_images(images, index, 1).contiguous();
    frames.push_back({images.names[i],
                      index,
                      images.frame.height,
                      images.frame.width,
                      {photo.data_ptr<float>(), photo.data_ptr<float>() + photo.numel()},
                      std::move(planes[i]),
                      {}});
  }
  return frames;
}

}  // namespace vqt
