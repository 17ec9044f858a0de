// A JPEG is a row of segments: ff, kind, length of two bytes (itself included), content. The segment of kind
// e1 that begins with "Exif\0\0" holds a small TIFF file, whose first directory has entries of 12 bytes:
// tag, type, count, value.
#include "loader/images/exif.h"

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <vector>

namespace vqt {
namespace {

constexpr size_t kSearchedBytes = 1 << 18;  // bytes looked at: the segment is near the start
constexpr uint32_t kOrientation = 0x0112;

class Bytes {
 public:
  Bytes(const uint8_t* data, size_t size) : data_(data), size_(size) {}
  bool has(size_t at, size_t n) const { return at <= size_ && n <= size_ - at; }
  // A number of n bytes. 0 where the bytes end before.
  uint32_t number(size_t at, size_t n, bool little) const {
    uint32_t value = 0;
    for (size_t i = 0; has(at, n) && i < n; ++i) value = value << 8 | data_[little ? at + n - 1 - i : at + i];
    return value;
  }
  Bytes from(size_t at) const { return {data_ + at, size_ - at}; }
  bool begins(const char* text, size_t n) const { return has(0, n) && std::equal(data_, data_ + n, text); }

 private:
  const uint8_t* data_;
  size_t size_;
};

int of_tiff(const Bytes& tiff) {
  const bool little = tiff.begins("II", 2);
  const size_t directory = tiff.number(4, 4, little);
  const uint32_t entries = tiff.number(directory, 2, little);
  for (uint32_t i = 0; i < entries; ++i) {
    const size_t entry = directory + 2 + 12 * size_t{i};
    if (!tiff.has(entry, 12)) break;
    if (tiff.number(entry, 2, little) != kOrientation) continue;
    const auto value = static_cast<int>(tiff.number(entry + 8, 2, little));
    return value >= 1 && value <= 8 ? value : 1;
  }
  return 1;
}

}  // namespace

int exif_orientation(const std::string& path) {
  std::vector<uint8_t> start(kSearchedBytes);
  std::ifstream file(path, std::ios::binary);
  file.read(reinterpret_cast<char*>(start.data()), kSearchedBytes);
  const Bytes jpeg(start.data(), static_cast<size_t>(std::max<std::streamsize>(0, file.gcount())));
  if (jpeg.number(0, 2, false) != 0xffd8) return 1;
  for (size_t at = 2; jpeg.has(at, 4) && jpeg.number(at, 1, false) == 0xff;) {
    if (jpeg.number(at + 1, 1, false) == 0xff) {  // any number of ff may stand before a segment
      ++at;
      continue;
    }
    const uint32_t kind = jpeg.number(at + 1, 1, false), length = jpeg.number(at + 2, 2, false);
    if (kind == 0xda || length < 2) break;  // the coded image begins
    if (kind == 0xe1 && jpeg.has(at + 4, 6) && jpeg.from(at + 4).begins("Exif\0", 6))
      return of_tiff(jpeg.from(at + 10));
    at += 2 + length;
  }
  return 1;
}

}  // namespace vqt
