// What kind of file some bytes are, whatever its name says. Torch-free.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace vqt {

enum class ImageKind { kJpeg, kPng, kBmp, kWebp, kTiff, kPnm, kOther };

struct ImageType {
  ImageKind kind = ImageKind::kOther;
  std::string name;  // "GIF"; empty where nothing is known
};
ImageType image_type(const std::vector<uint8_t>& bytes);

inline constexpr const char* kReadKinds = "JPEG, PNG, BMP, WebP, TIFF, PBM, PGM, PPM and PAM";

// Whether a PNG (APNG) or WebP says that it is animated.
bool is_animated_png(const std::vector<uint8_t>& png);
bool is_animated_webp(const std::vector<uint8_t>& webp);
// A WebP of the first frame alone, where that fills the picture; else empty.
std::vector<uint8_t> first_webp_frame(const std::vector<uint8_t>& webp);

}  // namespace vqt
