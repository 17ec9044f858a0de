// libtiff reads all layouts, compressions and bit depths into RGBA of 8 bits. It multiplies colours by an alpha that is
// not "associated"; such alpha is called associated before, so that colours stay as they are stored.
#include "loader/images/decode_tiff.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstring>
#include <memory>
#include <opencv2/core.hpp>

#include "loader/images/composite.h"

namespace vqt {
namespace {

// --- a file in memory, as libtiff asks for it

struct Memory {
  const std::vector<uint8_t>& bytes;
  toff_t at = 0;
  std::string error;  // the first that libtiff reports
};

Memory& memory(thandle_t handle) { return *static_cast<Memory*>(handle); }

tsize_t read(thandle_t handle, void* to, tsize_t n) {
  Memory& m = memory(handle);
  const toff_t left = m.at < m.bytes.size() ? m.bytes.size() - m.at : 0;
  const toff_t count = std::min(left, static_cast<toff_t>(n));
  if (count > 0) std::memcpy(to, m.bytes.data() + m.at, count);
  m.at += count;
  return static_cast<tsize_t>(count);
}
tsize_t write(thandle_t, void*, tsize_t) { return 0; }
toff_t seek(thandle_t handle, toff_t offset, int from) {
  Memory& m = memory(handle);
  m.at = offset + (from == SEEK_CUR ? m.at : from == SEEK_END ? m.bytes.size() : 0);
  return m.at;
}
int close(thandle_t) { return 0; }
toff_t size(thandle_t handle) { return memory(handle).bytes.size(); }

void keep_error(thandle_t handle, const char*, const char* format, va_list arguments) {
  char text[500];
  std::vsnprintf(text, sizeof text, format, arguments);
  if (handle != nullptr && memory(handle).error.empty()) memory(handle).error = text;
}

// --- what the pixels mean

enum class Alpha { kNone, kStraight, kMultiplied };

int channels_of_colour(int photometric) {
  return photometric == PHOTOMETRIC_SEPARATED                                 ? 4
         : photometric == PHOTOMETRIC_RGB || photometric == PHOTOMETRIC_YCBCR ? 3
                                                                              : 1;
}

template <class T>
T field(TIFF* tiff, uint32_t tag) {
  T value = 0;
  TIFFGetFieldDefaulted(tiff, tag, &value);
  return value;
}

void refuse_unreadable(TIFF* tiff) {
  const auto format = field<uint16_t>(tiff, TIFFTAG_SAMPLEFORMAT),
             bits = field<uint16_t>(tiff, TIFFTAG_BITSPERSAMPLE);
  const auto photometric = field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC);
  if (format != SAMPLEFORMAT_UINT && format != SAMPLEFORMAT_VOID) {
    throw Error(
        fmt::format("a TIFF of {} values; expected unsigned integers of 1 to 16 bits, of which white is the "
                    "largest: scale it to 8 or 16 bits",
                    format == SAMPLEFORMAT_IEEEFP ? "floating point" : "signed"));
  }
  const bool known = photometric <= PHOTOMETRIC_PALETTE || photometric == PHOTOMETRIC_YCBCR ||
                     (photometric == PHOTOMETRIC_SEPARATED && bits == 8);
  char why[1024] = "";
  if (!known || !TIFFRGBAImageOK(tiff, why)) {
    throw Error(fmt::format(
        "a TIFF with {} bits per sample and photometric interpretation {} is not read{}{}; save it "
        "as RGB of 8 or 16 bits",
        bits, photometric, why[0] != 0 ? ": " : "", why));
  }
}

// Whether the file itself has the tag: libtiff puts in extra samples that a file does not declare. BigTIFF: true.
bool declares(const std::vector<uint8_t>& bytes, uint16_t tag) {
  const bool little = bytes[0] == 'I';
  const auto number = [&](size_t at, size_t n) {
    size_t value = 0;
    for (size_t i = 0; i < n && at + n <= bytes.size(); ++i)
      value = value << 8 | bytes[little ? at + n - 1 - i : at + i];
    return value;
  };
  if (number(2, 2) != TIFF_VERSION_CLASSIC) return true;
  const size_t directory = number(4, 4), entries = number(directory, 2);
  for (size_t i = 0; i < entries; ++i) {
    if (number(directory + 2 + 12 * i, 2) == tag) return true;
  }
  return false;
}

// And tells libtiff to leave the colours as they are.
Alpha take_alpha(TIFF* tiff, const std::vector<uint8_t>& bytes) {
  const int colours = channels_of_colour(field<uint16_t>(tiff, TIFFTAG_PHOTOMETRIC));
  const int channels = field<uint16_t>(tiff, TIFFTAG_SAMPLESPERPIXEL);
  if (channels <= colours) return Alpha::kNone;
  uint16_t count = 0;
  const uint16_t* kinds = nullptr;
  TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &count, &kinds);
  if (count == 0) return Alpha::kNone;
  std::vector<uint16_t> extra(kinds, kinds + count);
  // OpenCV among others does not say what the fourth sample is.
  const bool undeclared = !declares(bytes, TIFFTAG_EXTRASAMPLES);
  const uint16_t kind = undeclared ? static_cast<uint16_t>(EXTRASAMPLE_UNASSALPHA) : extra[0];
  extra[0] = EXTRASAMPLE_ASSOCALPHA;
  TIFFSetField(tiff, TIFFTAG_EXTRASAMPLES, static_cast<int>(extra.size()), extra.data());
  if (kind == EXTRASAMPLE_ASSOCALPHA) return Alpha::kMultiplied;
  // Grey with alpha loses it, as in a PNG.
  return kind == EXTRASAMPLE_UNASSALPHA && colours == 3 ? Alpha::kStraight : Alpha::kNone;
}

bool has_more_pages(TIFF* tiff) {
  while (TIFFReadDirectory(tiff)) {
    if ((field<uint32_t>(tiff, TIFFTAG_SUBFILETYPE) & (FILETYPE_REDUCEDIMAGE | FILETYPE_MASK)) == 0)
      return true;
  }
  return false;
}

// The numbers 1 to 8 of TIFF and EXIF: where row 0 and column 0 are.
void turn(cv::Mat& image, int orientation) {
  if (orientation >= ORIENTATION_LEFTTOP) cv::transpose(image, image);
  constexpr int kAboutX = 0, kAboutY = 1, kBoth = -1;
  switch (orientation) {
    case ORIENTATION_TOPRIGHT:
    case ORIENTATION_RIGHTTOP:
      cv::flip(image, image, kAboutY);
      break;
    case ORIENTATION_BOTRIGHT:
    case ORIENTATION_RIGHTBOT:
      cv::flip(image, image, kBoth);
      break;
    case ORIENTATION_BOTLEFT:
    case ORIENTATION_LEFTBOT:
      cv::flip(image, image, kAboutX);
      break;
    default:
      break;
  }
}

uint8_t composed(int colour, int alpha, Alpha kind) {
  if (kind == Alpha::kNone) return static_cast<uint8_t>(colour);
  return kind == Alpha::kStraight ? on_white(colour, alpha) : multiplied_on_white(colour, alpha);
}

at::Tensor to_rgb(const cv::Mat& image, Alpha alpha) {
  at::Tensor rgb = at::empty({image.rows, image.cols, 3}, at::kByte);
  uint8_t* to = rgb.data_ptr<uint8_t>();
  for (int y = 0; y < image.rows; ++y) {
    for (int x = 0; x < image.cols; ++x, to += 3) {
      const auto pixel = static_cast<uint32_t>(image.at<int32_t>(y, x));
      const int a = TIFFGetA(pixel);
      to[0] = composed(TIFFGetR(pixel), a, alpha);
      to[1] = composed(TIFFGetG(pixel), a, alpha);
      to[2] = composed(TIFFGetB(pixel), a, alpha);
    }
  }
  return rgb;
}

}  // namespace

DecodedImage decode_tiff(const std::vector<uint8_t>& bytes) {
  TIFFSetErrorHandler(nullptr);  // it would print
  TIFFSetWarningHandler(nullptr);
  TIFFSetErrorHandlerExt(&keep_error);
  Memory file{bytes, 0, {}};
  const std::unique_ptr<TIFF, decltype(&TIFFClose)> tiff(
      TIFFClientOpen("TIFF", "rm", &file, &read, &write, &seek, &close, &size, nullptr, nullptr), &TIFFClose);
  const auto refuse = [&file] {
    throw Error(fmt::format("the TIFF is damaged or cut short: {}", file.error.empty() ? "?" : file.error));
  };
  if (!tiff) refuse();
  refuse_unreadable(tiff.get());
  const int64_t width = field<uint32_t>(tiff.get(), TIFFTAG_IMAGEWIDTH);
  const int64_t height = field<uint32_t>(tiff.get(), TIFFTAG_IMAGELENGTH);
  if (height > 0 && width > kMostPixels / height)
    throw Error(fmt::format("a TIFF of {} x {} pixels; expected at most 2^30 in all", width, height));
  const int orientation = field<uint16_t>(tiff.get(), TIFFTAG_ORIENTATION);
  const Alpha alpha = take_alpha(tiff.get(), bytes);
  cv::Mat image(static_cast<int>(height), static_cast<int>(width), CV_32S);
  if (!TIFFReadRGBAImageOriented(tiff.get(), static_cast<uint32_t>(width), static_cast<uint32_t>(height),
                                 reinterpret_cast<uint32_t*>(image.data), orientation, /*stop_on_error=*/1)) {
    refuse();
  }
  turn(image, orientation);
  return {to_rgb(image, alpha), has_more_pages(tiff.get())};
}

}  // namespace vqt
