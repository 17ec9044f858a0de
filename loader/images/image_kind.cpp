#include "loader/images/image_kind.h"

#include <algorithm>
#include <string_view>

namespace vqt {
namespace {

using std::literals::operator""sv;

// The n bytes at `at` as text; fewer at the end.
std::string_view text_at(const std::vector<uint8_t>& bytes, size_t at, size_t n) {
  const size_t begin = std::min(at, bytes.size());
  return {reinterpret_cast<const char*>(bytes.data()) + begin, std::min(n, bytes.size() - begin)};
}

size_t number_at(const std::vector<uint8_t>& bytes, size_t at, size_t n, bool big_endian) {
  size_t value = 0;
  for (size_t i = 0; i < n && at + n <= bytes.size(); ++i)
    value = value << 8 | bytes[big_endian ? at + i : at + n - 1 - i];
  return value;
}

struct Start {
  size_t at;
  std::string_view text;
  ImageKind kind;
  const char* name;
};

constexpr Start kStarts[] = {
    {0, "\xff\xd8\xff"sv, ImageKind::kJpeg, "JPEG"},
    {0, "\x89PNG\r\n\x1a\n"sv, ImageKind::kPng, "PNG"},
    {0, "BM"sv, ImageKind::kBmp, "BMP"},
    {8, "WEBP"sv, ImageKind::kWebp, "WebP"},
    {0, "II*\0"sv, ImageKind::kTiff, "TIFF"},
    {0, "MM\0*"sv, ImageKind::kTiff, "TIFF"},
    {0, "II+\0"sv, ImageKind::kTiff, "TIFF"},  // BigTIFF
    {0, "MM\0+"sv, ImageKind::kTiff, "TIFF"},
    {0, "GIF8"sv, ImageKind::kOther, "GIF"},
    {4, "ftypavi"sv, ImageKind::kOther, "AVIF"},
    {4, "ftyphei"sv, ImageKind::kOther, "HEIC"},
    {4, "ftyphev"sv, ImageKind::kOther, "HEIC"},
    {4, "ftypmif"sv, ImageKind::kOther, "HEIC or AVIF"},
    {4, "ftypcrx"sv, ImageKind::kOther, "camera raw"},
    {4, "ftyp"sv, ImageKind::kOther, "video"},
    {4, "jP  "sv, ImageKind::kOther, "JPEG 2000"},
    {0, "\xff\x4f\xff\x51"sv, ImageKind::kOther, "JPEG 2000"},
    {4, "JXL "sv, ImageKind::kOther, "JPEG XL"},
    {0, "\xff\x0a"sv, ImageKind::kOther, "JPEG XL"},
    {0, "v/1\x01"sv, ImageKind::kOther, "OpenEXR"},
    {0, "#?"sv, ImageKind::kOther, "Radiance HDR"},
    {0, "PF\n"sv, ImageKind::kOther, "PFM"},
    {0, "Pf\n"sv, ImageKind::kOther, "PFM"},
    {0, "\x59\xa6\x6a\x95"sv, ImageKind::kOther, "Sun raster"},
    {0, "8BPS"sv, ImageKind::kOther, "Photoshop"},
    {0, "%PDF"sv, ImageKind::kOther, "PDF"},
};

}  // namespace

ImageType image_type(const std::vector<uint8_t>& bytes) {
  for (const Start& start : kStarts) {
    if (text_at(bytes, start.at, start.text.size()) == start.text) return {start.kind, start.name};
  }
  const std::string_view pnm = text_at(bytes, 0, 3);
  const bool is_pnm = pnm.size() == 3 && pnm[0] == 'P' && pnm[1] >= '1' && pnm[1] <= '7' &&
                      (" \t\n\r#"sv).find(pnm[2]) != std::string_view::npos;
  return is_pnm ? ImageType{ImageKind::kPnm, "PNM"} : ImageType{};
}

// Chunks of length, kind, content and checksum; acTL stands before the first IDAT.
bool is_animated_png(const std::vector<uint8_t>& png) {
  for (size_t at = 8; at + 8 <= png.size();) {
    const std::string_view kind = text_at(png, at + 4, 4);
    if (kind == "acTL") return true;
    if (kind == "IDAT") return false;
    at += 12 + number_at(png, at, 4, /*big_endian=*/true);
  }
  return false;
}

bool is_animated_webp(const std::vector<uint8_t>& webp) {
  constexpr uint8_t kAnimation = 2;  // of VP8X's flags
  return text_at(webp, 12, 4) == "VP8X" && webp.size() > 20 && (webp[20] & kAnimation) != 0;
}

// RIFF chunks of kind, length and content, padded to two bytes. VP8X: flags, 3 unused bytes, width - 1 and height - 1
// (3 bytes each). ANMF: x / 2, y / 2, width - 1, height - 1, milliseconds, flags, then the chunks of a still picture.
std::vector<uint8_t> first_webp_frame(const std::vector<uint8_t>& webp) {
  constexpr uint8_t kAlpha = 0x10;
  constexpr size_t kFrameHeader = 16, kSizeInFrame = 6, kSizeInVp8x = 4;
  for (size_t at = 12; at + 8 <= webp.size();) {
    const size_t length = number_at(webp, at + 4, 4, false);
    if (text_at(webp, at, 4) == "ANMF") {
      const size_t frame = at + 8, end = std::min(webp.size(), frame + length);
      const bool fills = number_at(webp, frame, 6, false) == 0 &&
                         text_at(webp, frame + kSizeInFrame, 6) == text_at(webp, 20 + kSizeInVp8x, 6);
      if (!fills || end < frame + kFrameHeader) return {};
      std::vector<uint8_t> still(webp.begin(), webp.begin() + 30);  // RIFF and VP8X
      still[20] = kAlpha;                                           // there may be some; not animated
      still.insert(still.end(), webp.begin() + frame + kFrameHeader, webp.begin() + end);
      const size_t size = still.size() - 8;
      for (size_t i = 0; i < 4; ++i) still[4 + i] = static_cast<uint8_t>(size >> (8 * i));
      return still;
    }
    at += 8 + length + length % 2;
  }
  return {};
}

}  // namespace vqt
