#include "eval/drawing/scene_cloud.h"

#include <cmath>

#include "eval/drawing/point_cloud.h"
#include "eval/drawing/scene_cameras.h"

namespace vqt {
namespace {

std::vector<uint8_t> colours_of(const ImageFile& images, int64_t pictures,
                                const std::vector<int64_t>& pixels) {
  const at::Tensor frames = read_images(images, 0, pictures).contiguous();
  const float* values = frames.data_ptr<float>();
  const int64_t plane = images.frame.height * images.frame.width;
  std::vector<uint8_t> colours;
  colours.reserve(3 * pixels.size());
  for (const int64_t i : pixels) {
    const float* red = values + i / plane * 3 * plane + i % plane;
    for (int c = 0; c < 3; ++c) colours.push_back(static_cast<uint8_t>(std::lround(255 * red[c * plane])));
  }
  return colours;
}

// The points of all pixels of a forward pass; `made` holds them where the model returns only depth and poses.
const float* all_points(const Prediction& prediction, Size frame, std::vector<float>& made) {
  if (prediction.points) return prediction.points;
  const int64_t plane = frame.height * frame.width;
  for (int64_t f = 0; f < prediction.count; ++f) {
    const std::vector<float> one = unprojected(prediction.depth + f * plane, &prediction.poses[9 * f], frame);
    made.insert(made.end(), one.begin(), one.end());
  }
  return made.data();
}

// Of the first image; the world's own where it is not finite.
Pose first_camera(const Prediction& prediction) {
  if (prediction.poses.empty()) return {};
  const Pose pose = decode_pose(prediction.poses.data());
  const Quaternion& q = pose.rotation;
  const auto& t = pose.translation;
  return std::isfinite(q.w + q.x + q.y + q.z + t[0] + t[1] + t[2]) ? pose : Pose();
}

}  // namespace

std::optional<SceneCloud> SceneCloud::of(const OutputsFile& reference,
                                         const std::vector<JoinedOutput>& outputs, const ImageFile& images,
                                         double percent, int64_t most) {
  SceneCloud cloud;
  cloud.frame_ = images.frame;
  cloud.outputs_ = truth_outputs(outputs, images.count(), images.frame);
  const bool own = !cloud.outputs_.points.empty();
  if (!own && (cloud.outputs_.depth.empty() || cloud.outputs_.poses.empty())) return {};
  if (own) cloud.outputs_.depth.clear();
  CloudPoints& shown = cloud.shown_;
  shown.output = own ? cloud.outputs_.points : cloud.outputs_.depth;
  shown.confidence = output_path(outputs, own ? "world_points_conf" : "depth_conf", images.count(),
                                 images.frame.height * images.frame.width);
  const ForwardOutputs& first = reference.passes().at(0);
  const ReadPrediction read(reference, first, cloud.outputs_);
  std::vector<float> made;
  const float* points = all_points(read.prediction, images.frame, made);
  at::Tensor confidence;
  if (!shown.confidence.empty())
    confidence = reference.read(*first.find(shown.confidence)).to(at::kFloat).contiguous();
  cloud.placements_ = {images.placements.begin(), images.placements.begin() + first.count};
  const CloudSource source{images.frame, cloud.placements_, points,
                           confidence.defined() ? confidence.data_ptr<float>() : nullptr};
  ShownPixels pixels = shown_pixels(source, percent, most);
  if (pixels.indices.empty()) return {};
  cloud.pixels_ = std::move(pixels.indices);
  if (pixels.threshold) {
    shown.percent = percent;
    shown.threshold = *pixels.threshold;
  } else {
    shown.confidence.clear();
  }
  shown.pictures = first.count;
  shown.camera = first_camera(read.prediction);
  shown.colours = colours_of(images, first.count, cloud.pixels_);
  shown.images = {images.names.begin(), images.names.begin() + first.count};
  shown.pixels = scene_pixels(cloud.pixels_, cloud.placements_, images.frame);
  shown.reference = {points_at(points, cloud.pixels_),
                     scene_cameras(read.prediction.poses, cloud.placements_, images.frame)};
  return cloud;
}

ModelPoints SceneCloud::points(const OutputsFile& model) const {
  const ReadPrediction read(model, model.passes().at(0), outputs_);
  std::vector<float> made;
  return {points_at(all_points(read.prediction, frame_, made), pixels_),
          scene_cameras(read.prediction.poses, placements_, frame_)};
}

}  // namespace vqt
