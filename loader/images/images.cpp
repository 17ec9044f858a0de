// Folder -> list of pictures -> 8-bit RGB -> frames of one size. The steps and roundings are those of VGGT's
// loader, which works with Pillow: 8-bit bicubic (a = -0.5, antialiased), heights rounded half to even.
#include "loader/images/images.h"

#include <ATen/ops/_upsample_bicubic2d_aa.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace vqt {
namespace {
namespace fs = std::filesystem;

bool is_picture(const fs::directory_entry& entry) {
  static const std::vector<std::string> kExtensions = {".jpg", ".jpeg", ".png", ".bmp", ".webp",
                                                       ".tif", ".tiff", ".ppm", ".pgm"};
  std::error_code ignored;
  if (!entry.is_regular_file(ignored) || entry.path().filename().string()[0] == '.') return false;
  std::string extension = entry.path().extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<fs::directory_entry> entries(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error)
    throw ImageError(fmt::format("{}: cannot read the folder: {}", folder.string(), error.message()));
  return {it, fs::directory_iterator()};
}

std::vector<std::string> pictures_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : entries(folder)) {
    if (is_picture(entry)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().native() < b.filename().native();  // std::string compares bytes as unsigned char
  });
  std::vector<std::string> paths;
  for (const fs::path& path : found) paths.push_back(path.string());
  return paths;
}

std::vector<uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw ImageError(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return {std::istreambuf_iterator<char>(file), {}};
}

constexpr uint64_t kHeaderRoom = 256;  // of an image file, per image

constexpr uint8_t kPngStart[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
constexpr size_t kPngColourType = 25;  // offset in the file; 6 is RGB with alpha

bool is_png(const std::vector<uint8_t>& bytes) {
  return bytes.size() > kPngColourType &&
         std::equal(std::begin(kPngStart), std::end(kPngStart), bytes.begin());
}

// libjpeg fills what is missing with grey and succeeds. Inside the coded data 0xff 0xd9 cannot occur, so a
// whole file has an end mark after its last start of scan.
bool is_cut_jpeg(const std::vector<uint8_t>& bytes) {
  if (bytes.size() < 4 || bytes[0] != 0xff || bytes[1] != 0xd8) return false;
  for (size_t i = bytes.size() - 1; i-- > 2;) {
    if (bytes[i] != 0xff) continue;
    if (bytes[i + 1] == 0xd9) return false;
    if (bytes[i + 1] == 0xda) return true;
  }
  return true;
}

cv::Mat decode(const std::vector<uint8_t>& bytes, const std::string& path) {
  if (is_cut_jpeg(bytes))
    throw ImageError(fmt::format("{}: the JPEG has no end mark; the file is probably cut short", path));
  try {
    // Unchanged: keeps alpha, and leaves EXIF orientation alone.
    return bytes.empty() ? cv::Mat() : cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& e) {
    throw ImageError(fmt::format("{}: cannot be decoded: {}", path, e.err));
  }
}

// Pillow's alpha_composite on opaque white, in 8 bits: (c * a + 255 * (255 - a)) / 255, rounded.
cv::Mat on_white(const cv::Mat& bgra) {
  cv::Mat bgr(bgra.size(), CV_8UC3);
  for (int y = 0; y < bgra.rows; ++y) {
    for (int x = 0; x < bgra.cols; ++x) {
      const cv::Vec4b p = bgra.at<cv::Vec4b>(y, x);
      for (int c = 0; c < 3; ++c) {
        bgr.at<cv::Vec3b>(y, x)[c] = static_cast<uint8_t>((p[c] * p[3] + 255 * (255 - p[3]) + 127) / 255);
      }
    }
  }
  return bgr;
}

int64_t round_to_patch(double pixels) {
  return kPatch * static_cast<int64_t>(std::nearbyint(pixels / kPatch));  // half to even
}

// uint8 or float [3, h, w] in the middle of [3, H, W] filled with white; the smaller half is on the top and
// left.
at::Tensor pad_white(const at::Tensor& image, int64_t height, int64_t width, double white) {
  const int64_t h = image.size(1), w = image.size(2);
  if (h == height && w == width) return image;
  at::Tensor padded = at::full({3, height, width}, white, image.options());
  padded.narrow(1, (height - h) / 2, h).narrow(2, (width - w) / 2, w).copy_(image);
  return padded;
}

// Where the picture is once pad_white has put its frame, of size `of`, into a larger one.
Placement padded(Placement placement, Size of, Size frame) {
  placement.top += (frame.height - of.height) / 2;
  placement.left += (frame.width - of.width) / 2;
  return placement;
}

}  // namespace

ImageList list_images(const std::string& folder, int64_t max_images) {
  if (max_images == 0) throw ImageError("max_images: expected at least 1, got 0");
  if (!fs::is_directory(folder)) {
    throw ImageError(
        fmt::format("{}: {}", folder,
                    fs::exists(folder) ? "is a file; expected a folder of pictures" : "no such folder"));
  }
  ImageList list{folder, false, pictures_in(folder)};
  if (list.paths.empty()) {
    std::vector<std::string> with_pictures;
    for (const fs::directory_entry& entry : entries(folder)) {
      if (!entry.is_directory() || entry.path().filename().string()[0] == '.') continue;
      std::vector<std::string> inside = pictures_in(entry.path());
      if (inside.empty()) continue;
      with_pictures.push_back(entry.path().string());
      list = {entry.path().string(), true, std::move(inside)};
    }
    std::sort(with_pictures.begin(), with_pictures.end());
    if (with_pictures.empty()) {
      throw ImageError(
          fmt::format("{}: no pictures in it (jpg, jpeg, png, bmp, webp, tif, tiff, ppm, pgm)", folder));
    }
    if (with_pictures.size() > 1) {
      throw ImageError(fmt::format("{}: pictures in several subfolders, one scene is needed; name one of: {}",
                                   folder, fmt::join(with_pictures, ", ")));
    }
  }
  if (max_images > 0 && static_cast<size_t>(max_images) < list.paths.size()) list.paths.resize(max_images);
  return list;
}

at::Tensor decode_image(const std::string& path) {
  const std::vector<uint8_t> bytes = read_bytes(path);
  cv::Mat image = decode(bytes, path);
  if (image.empty()) throw ImageError(fmt::format("{}: not a picture that can be decoded, or damaged", path));
  if (image.depth() == CV_16U) {
    cv::Mat high;  // the high byte, as Pillow takes it: k + r / 256 - 0.498 rounds to k for every r
    image.convertTo(high, CV_8U, 1.0 / 256, -0.5 + 1.0 / 512);
    image = high;
  } else if (image.depth() != CV_8U) {
    throw ImageError(
        fmt::format("{}: expected 8 or 16 bits per channel, got floating point or signed values", path));
  }
  if (image.channels() == 1) {
    cv::cvtColor(image, image, cv::COLOR_GRAY2RGB);
  } else if (image.channels() == 3) {
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  } else {
    // Only true RGBA is composited by the official loader; grey with alpha and a transparent palette lose
    // their alpha.
    const bool composite = !is_png(bytes) || bytes[kPngColourType] == 6;
    if (composite) image = on_white(image);
    cv::cvtColor(image, image, composite ? cv::COLOR_BGR2RGB : cv::COLOR_BGRA2RGB);
  }
  at::Tensor rgb = at::empty({image.rows, image.cols, 3}, at::kByte);
  image.copyTo(cv::Mat(image.size(), CV_8UC3, rgb.data_ptr<uint8_t>()));
  return rgb;
}

Size resized_size(Size picture, Preprocess preprocess, int64_t image_size) {
  const double h = picture.height, w = picture.width, side = image_size;
  // The order of operations is the official loader's: it decides which way a half falls.
  if (preprocess == Preprocess::kCrop || w >= h) return {round_to_patch(h * (side / w)), image_size};
  return {image_size, round_to_patch(w * (side / h))};
}

Prepared prepare_image(const at::Tensor& picture, Preprocess preprocess, int64_t image_size) {
  const Size from{picture.size(0), picture.size(1)};
  const Size to = resized_size(from, preprocess, image_size);
  if (to.height == 0 || to.width == 0) {
    throw ImageError(fmt::format(
        "a picture of {} x {} (width x height) is less than half a patch high or wide at image_size {}",
        from.width, from.height, image_size));
  }
  // [1, 3, H, W] in channels-last memory, uint8: torch then rounds between the two passes as Pillow does.
  at::Tensor image = picture.permute({2, 0, 1}).unsqueeze(0);
  if (!(from == to))
    image = at::_upsample_bicubic2d_aa(image, {to.height, to.width}, /*align_corners=*/false);
  image = image.squeeze(0);
  if (preprocess == Preprocess::kPad) {
    const Placement placement = padded({from, to, 0, 0}, to, {image_size, image_size});
    return {pad_white(image, image_size, image_size, 255).contiguous(), placement};
  }
  const int64_t cut = std::max<int64_t>(0, to.height - image_size) / 2;  // rows above
  if (to.height > image_size) image = image.narrow(1, cut, image_size);
  return {image.contiguous(), {from, to, -cut, 0}};
}

namespace {

// Calls use for every prepared picture, one at a time.
void prepare_all(const ImageList& list, const ImageOptions& options, const ImageProgress& progress,
                 const std::function<void(const Prepared&, std::string name)>& use) {
  if (options.image_size <= 0 || options.image_size % kPatch != 0) {
    throw ImageError(
        fmt::format("image_size: expected a multiple of {}, got {}", kPatch, options.image_size));
  }
  int64_t done = 0;
  for (const std::string& path : list.paths) {
    try {
      use(prepare_image(decode_image(path), options.preprocess, options.image_size),
          fs::path(path).filename().string());
    } catch (const ImageError& e) {
      const std::string text = e.what();
      throw ImageError(text.rfind(path, 0) == 0 ? text : path + ": " + text);
    }
    if (progress) progress(++done, static_cast<int64_t>(list.paths.size()));
  }
}

}  // namespace

Images load_images(const ImageList& list, const ImageOptions& options, const ImageProgress& progress) {
  Images images;
  std::vector<at::Tensor> prepared;
  int64_t height = 0, width = 0;
  prepare_all(list, options, progress, [&](const Prepared& p, std::string name) {
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
  prepare_all(list, options, progress, [&](const Prepared& p, const std::string& name) {
    const auto* bytes = p.image.const_data_ptr<uint8_t>();
    writer.append(fmt::format("{}/{}", placements.size(), name), "U8", p.image.sizes().vec(), bytes);
    crc = static_cast<uint32_t>(crc32_z(crc, bytes, p.image.numel()));
    placements.push_back(p.placement);
  });
  writer.finish();
  ImageFile images = open_images(path);
  images.crc32 = crc;
  for (size_t i = 0; i < placements.size(); ++i)
    images.placements.push_back(padded(placements[i], images.sizes[i], images.frame));
  return images;
}

ImageFile open_images(const std::string& path) {
  ImageFile images;
  images.file = std::make_shared<const TensorFile>(path);
  for (const TensorEntry& t : images.file->tensors()) {
    if (t.dtype != "U8" || t.shape.size() != 3 || t.shape[0] != 3)
      throw ImageError(fmt::format("{}: {}: expected an image, U8 [3, h, w]", path, t.name));
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
