// 8-bit RGB as Pillow gives it: JPEG, TIFF and PNM by their own readers, PNG, BMP and WebP by OpenCV.
#include "loader/images/decode_image.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "loader/images/composite.h"
#include "loader/images/decode_jpeg.h"
#include "loader/images/decode_pnm.h"
#include "loader/images/decode_tiff.h"
#include "loader/images/image_kind.h"

namespace vqt {
namespace {

std::vector<uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("cannot be read: {}", std::strerror(errno)));
  return {std::istreambuf_iterator<char>(file), {}};
}

// kind: its name.
cv::Mat decode(const std::vector<uint8_t>& bytes, const char* kind) {
  cv::Mat image;
  try {
    image = cv::imdecode(bytes, cv::IMREAD_UNCHANGED);  // keeps alpha, and leaves EXIF orientation alone
  } catch (const cv::Exception& e) {
    throw Error(fmt::format("the {} cannot be decoded: {}", kind, e.err));
  }
  if (image.empty()) throw Error(fmt::format("the {} is damaged or cut short", kind));
  return image;
}

cv::Mat composited(const cv::Mat& bgra) {
  cv::Mat bgr(bgra.size(), CV_8UC3);
  for (int y = 0; y < bgra.rows; ++y) {
    for (int x = 0; x < bgra.cols; ++x) {
      const cv::Vec4b p = bgra.at<cv::Vec4b>(y, x);
      for (int c = 0; c < 3; ++c) bgr.at<cv::Vec3b>(y, x)[c] = on_white(p[c], p[3]);
    }
  }
  return bgr;
}

// composite: put alpha on white, else drop it.
at::Tensor rgb_of(cv::Mat image, bool composite) {
  if (image.depth() == CV_16U) {
    cv::Mat high;  // the high byte, as Pillow takes it: k + r / 256 - 0.498 rounds to k for every r
    image.convertTo(high, CV_8U, 1.0 / 256, -0.5 + 1.0 / 512);
    image = high;
  }
  if (image.channels() == 1) {
    cv::cvtColor(image, image, cv::COLOR_GRAY2RGB);
  } else if (image.channels() == 3) {
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  } else {
    if (composite) image = composited(image);
    cv::cvtColor(image, image, composite ? cv::COLOR_BGR2RGB : cv::COLOR_BGRA2RGB);
  }
  at::Tensor rgb = at::empty({image.rows, image.cols, 3}, at::kByte);
  image.copyTo(cv::Mat(image.size(), CV_8UC3, rgb.data_ptr<uint8_t>()));
  return rgb;
}

DecodedImage decode_png(const std::vector<uint8_t>& bytes) {
  constexpr size_t kColourType = 25;  // offset in the file; 6 is RGB with alpha
  // Only true RGBA is composited by the official loader; grey with alpha and a transparent palette lose their alpha.
  const bool composite = bytes.size() > kColourType && bytes[kColourType] == 6;
  return {rgb_of(decode(bytes, "PNG"), composite), is_animated_png(bytes)};
}

DecodedImage decode_bmp(const std::vector<uint8_t>& bytes) {
  constexpr size_t kBits = 28;  // offset in the file, of bits per pixel
  if (bytes.size() > kBits && bytes[kBits] == 16) {
    throw Error(
        "a BMP of 16 bits per pixel is not read, since white would be 248 of 255; save it with 24 bits");
  }
  return {rgb_of(decode(bytes, "BMP"), true), false};
}

DecodedImage decode_webp(const std::vector<uint8_t>& bytes) {
  if (!is_animated_webp(bytes)) return {rgb_of(decode(bytes, "WebP"), true), false};
  const std::vector<uint8_t> first = first_webp_frame(bytes);
  if (first.empty())
    throw Error("an animated WebP whose first frame is only a part of the picture; save its frames as PNG");
  return {rgb_of(decode(first, "WebP"), true), true};
}

DecodedImage decode_file(const std::string& path) {
  const std::vector<uint8_t> bytes = read_bytes(path);
  const ImageType type = image_type(bytes);
  switch (type.kind) {
    case ImageKind::kJpeg:
      return {decode_jpeg(bytes), false};
    case ImageKind::kPng:
      return decode_png(bytes);
    case ImageKind::kBmp:
      return decode_bmp(bytes);
    case ImageKind::kWebp:
      return decode_webp(bytes);
    case ImageKind::kTiff:
      return decode_tiff(bytes);
    case ImageKind::kPnm:
      return {decode_pnm(bytes), false};
    case ImageKind::kOther:
      break;
  }
  if (type.name.empty()) throw Error("not an image that can be decoded, or damaged");
  throw Error(fmt::format("holds {}, which is not read; expected one of {}: convert it, to PNG for example",
                          type.name, kReadKinds));
}

}  // namespace

DecodedImage decode_image(const std::string& path) {
  try {
    return decode_file(path);
  } catch (const Error& e) {
    throw Error(fmt::format("{}: {}", path, e.what()));
  }
}

}  // namespace vqt
