// Folder -> list of images -> 8-bit RGB -> frames of one size, in memory or in a file.
#include "loader/images/images.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <filesystem>

#include "loader/images/decode_image.h"
#include "loader/images/fit_image.h"

#include "vqt/error.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr uint64_t kHeaderRoom = 256;  // of an image file, per image

// Calls use for every prepared image, one at a time. Returns the names of files with more pages or frames.
std::vector<std::string> prepare_all(const ImageList& list, const ImageOptions& options,
                                     const ImageProgress& progress,
                                     const std::function<void(const Prepared&, std::string name)>& use) {
  if (options.image_size <= 0 || options.image_size % kPatch != 0) {
    throw Error(fmt::format("image_size: expected a multiple of {}, got {}", kPatch, options.image_size));
  }
  std::vector<std::string> first_of_several;
  int64_t done = 0;
  for (const std::string& path : list.paths) {
    const std::string name = fs::path(path).filename().string();
    try {
      const DecodedImage image = decode_image(path);
      if (image.first_of_several) first_of_several.push_back(name);
      use(prepare_image(image.rgb, options.preprocess, options.image_size), name);
    } catch (const Error& e) {
      const std::string text = e.what();
      throw Error(text.rfind(path, 0) == 0 ? text : path + ": " + text);
    }
    if (progress) progress(++done, static_cast<int64_t>(list.paths.size()));
  }
  return first_of_several;
}

}  // namespace

Images load_images(const ImageList& list, const ImageOptions& options, const ImageProgress& progress) {
  Images images;
  std::vector<at::Tensor> prepared;
  int64_t height = 0, width = 0;
  images.first_of_several = prepare_all(list, options, progress, [&](const Prepared& p, std::string name) {
    prepared.push_back(p.image);
    images.names.push_back(std::move(name));
    height = std::max(height, p.image.size(1));
    width = std::max(width, p.image.size(2));
  });
  images.frames = at::empty({static_cast<int64_t>(prepared.size()), 3, height, width}, at::kFloat);
  for (size_t i = 0; i < prepared.size(); ++i) {
    images.frames[i].copy_(pad_white(prepared[i], height, width, 255));
  }
  images.frames.div_(255);
  return images;
}

ImageFile write_images(const ImageList& list, const ImageOptions& options, const std::string& path,
                       const ImageProgress& progress) {
  TensorFileWriter writer(path, kHeaderRoom * (list.paths.size() + 1));
  std::vector<Placement> placements;
  uint32_t crc = 0;
  std::vector<std::string> first_of_several =
      prepare_all(list, options, progress, [&](const Prepared& p, const std::string& name) {
        const auto* bytes = p.image.const_data_ptr<uint8_t>();
        writer.append(fmt::format("{}/{}", placements.size(), name), "U8", p.image.sizes().vec(), bytes);
        crc = static_cast<uint32_t>(crc32_z(crc, bytes, p.image.numel()));
        placements.push_back(p.placement);
      });
  writer.finish();
  ImageFile images = open_images(path);
  images.crc32 = crc;
  images.first_of_several = std::move(first_of_several);
  for (size_t i = 0; i < placements.size(); ++i)
    images.placements.push_back(padded(placements[i], images.sizes[i], images.frame));
  return images;
}

ImageFile open_images(const std::string& path) {
  ImageFile images;
  images.file = std::make_shared<const TensorFile>(path);
  for (const TensorEntry& t : images.file->tensors()) {
    if (t.dtype != "U8" || t.shape.size() != 3 || t.shape[0] != 3)
      throw Error(fmt::format("{}: {}: expected an image, U8 [3, h, w]", path, t.name));
    images.names.push_back(t.name.substr(t.name.find('/') + 1));
    images.sizes.push_back({t.shape[1], t.shape[2]});
    images.frame.height = std::max(images.frame.height, t.shape[1]);
    images.frame.width = std::max(images.frame.width, t.shape[2]);
  }
  return images;
}

at::Tensor read_images(const ImageFile& images, int64_t first, int64_t count) {
  at::Tensor frames = at::empty({count, 3, images.frame.height, images.frame.width}, at::kFloat);
  for (int64_t i = 0; i < count; ++i) {
    const TensorEntry& entry = images.file->tensors().at(static_cast<size_t>(first + i));
    const at::Tensor image = at::empty(entry.shape, at::kByte);
    images.file->read(entry, image.data_ptr());
    frames[i].copy_(pad_white(image, images.frame.height, images.frame.width, 255));
  }
  return frames.div_(255);
}

at::Tensor model_input(const at::Tensor& frames, int64_t first, int64_t count, const ImageOptions& options) {
  return model_input(frames.narrow(0, first, count), options);
}

at::Tensor model_input(const at::Tensor& frames, const ImageOptions& options) {
  at::Tensor input = frames;
  const bool plain =
      options.mean == std::array<double, 3>{0, 0, 0} && options.std == std::array<double, 3>{1, 1, 1};
  if (!plain) {
    const at::Tensor mean = at::tensor(at::ArrayRef<double>(options.mean)).to(at::kFloat).view({1, 3, 1, 1});
    const at::Tensor std = at::tensor(at::ArrayRef<double>(options.std)).to(at::kFloat).view({1, 3, 1, 1});
    input = input.sub(mean).div(std);
  }
  return (options.layout == InputLayout::kBshw ? input.unsqueeze(0) : input).contiguous();
}

}  // namespace vqt
