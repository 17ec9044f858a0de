// 8-bit RGB as Pillow gives it.
#include "loader/images/decode_image.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <iterator>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

namespace vqt {
namespace {

std::vector<uint8_t> read_bytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) throw Error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  return {std::istreambuf_iterator<char>(file), {}};
}

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
    throw Error(fmt::format("{}: the JPEG has no end mark; the file is probably cut short", path));
  try {
    // Unchanged: keeps alpha, and leaves EXIF orientation alone.
    return bytes.empty() ? cv::Mat() : cv::imdecode(bytes, cv::IMREAD_UNCHANGED);
  } catch (const cv::Exception& e) {
    throw Error(fmt::format("{}: cannot be decoded: {}", path, e.err));
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

}  // namespace

at::Tensor decode_image(const std::string& path) {
  const std::vector<uint8_t> bytes = read_bytes(path);
  cv::Mat image = decode(bytes, path);
  if (image.empty()) throw Error(fmt::format("{}: not an image that can be decoded, or damaged", path));
  if (image.depth() == CV_16U) {
    cv::Mat high;  // the high byte, as Pillow takes it: k + r / 256 - 0.498 rounds to k for every r
    image.convertTo(high, CV_8U, 1.0 / 256, -0.5 + 1.0 / 512);
    image = high;
  } else if (image.depth() != CV_8U) {
    throw Error(
        fmt::format("{}: expected 8 or 16 bits per channel, got floating point or signed values", path));
  }
  if (image.channels() == 1) {
    cv::cvtColor(image, image, cv::COLOR_GRAY2RGB);
  } else if (image.channels() == 3) {
    cv::cvtColor(image, image, cv::COLOR_BGR2RGB);
  } else {
    // Only true RGBA is composited by the official loader; grey with alpha and a transparent
    // palette lose their alpha.
    const bool composite = !is_png(bytes) || bytes[kPngColourType] == 6;
    if (composite) image = on_white(image);
    cv::cvtColor(image, image, composite ? cv::COLOR_BGR2RGB : cv::COLOR_BGRA2RGB);
  }
  at::Tensor rgb = at::empty({image.rows, image.cols, 3}, at::kByte);
  image.copyTo(cv::Mat(image.size(), CV_8UC3, rgb.data_ptr<uint8_t>()));
  return rgb;
}

}  // namespace vqt
