// "P6 640 480 4095\n", then pixels, in ASCII (P1 to P3) or binary (P4 to P6); values of two bytes begin with the high
// one. P7 (PAM) has a line for each property: "WIDTH 640\n ... ENDHDR\n". '#' begins a comment.
#include "loader/images/decode_pnm.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <set>
#include <string>

#include "loader/images/composite.h"
#include "loader/images/decode_image.h"

namespace vqt {
namespace {

class Text {
 public:
  explicit Text(const std::vector<uint8_t>& bytes) : bytes_(bytes) {}

  // Up to the next space; "" at the end of the file.
  std::string word() {
    skip_space();
    std::string word;
    while (at_ < bytes_.size() && !std::isspace(bytes_[at_])) word += static_cast<char>(bytes_[at_++]);
    return word;
  }
  int64_t number(const char* what) {
    const std::string text = word();
    const bool digits =
        !text.empty() && text.size() < 10 &&
        std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
    if (!digits) throw Error(fmt::format("a PNM file: {}: expected a number, got \"{}\"", what, text));
    return std::stoll(text);
  }
  // PBM's digits need no space between them.
  int64_t bit() {
    skip_space();
    const int value = at_ < bytes_.size() ? bytes_[at_++] - '0' : -1;
    if (value != 0 && value != 1)
      throw Error("a PBM file: expected 0 or 1 for each pixel; it is damaged or cut short");
    return value;
  }
  std::string rest_of_line() {
    std::string text;
    while (at_ < bytes_.size() && bytes_[at_] != '\n') text += static_cast<char>(bytes_[at_++]);
    const size_t begin = text.find_first_not_of(" \t");
    return begin == std::string::npos ? "" : text.substr(begin);
  }
  void skip_one() { ++at_; }
  // n bytes from here on.
  const uint8_t* binary(int64_t n) const {
    const int64_t left = static_cast<int64_t>(bytes_.size()) - static_cast<int64_t>(at_);
    if (left < n)
      throw Error(fmt::format("the PNM file is cut short: expected {} bytes of pixels, got {}", n,
                              std::max<int64_t>(0, left)));
    return bytes_.data() + at_;
  }

 private:
  void skip_space() {
    while (at_ < bytes_.size() && (std::isspace(bytes_[at_]) || bytes_[at_] == '#')) {
      if (bytes_[at_] == '#')
        rest_of_line();
      else
        ++at_;
    }
  }

  const std::vector<uint8_t>& bytes_;
  size_t at_ = 0;
};

struct Header {
  int64_t width = 0, height = 0, channels = 1, maxval = 1;
  bool ascii = false, bits = false;  // bits: PBM, where 1 is black
};

Header read_pam(Text& text) {
  static const std::set<std::string> kTypes = {"",          "BLACKANDWHITE",       "GRAYSCALE",      "RGB",
                                               "RGB_ALPHA", "BLACKANDWHITE_ALPHA", "GRAYSCALE_ALPHA"};
  Header h;
  std::string type;
  for (std::string key = text.word(); key != "ENDHDR"; key = text.word()) {
    if (key == "WIDTH")
      h.width = text.number("WIDTH");
    else if (key == "HEIGHT")
      h.height = text.number("HEIGHT");
    else if (key == "DEPTH")
      h.channels = text.number("DEPTH");
    else if (key == "MAXVAL")
      h.maxval = text.number("MAXVAL");
    else if (key == "TUPLTYPE")
      type = text.rest_of_line();
    else
      throw Error(fmt::format(
          "a PAM file: expected WIDTH, HEIGHT, DEPTH, MAXVAL, TUPLTYPE or ENDHDR, got \"{}\"", key));
  }
  if (kTypes.count(type) == 0 || h.channels < 1 || h.channels > 4) {
    throw Error(fmt::format(
        "a PAM file of {} channels \"{}\"; expected black and white, grey or RGB, with or without alpha",
        h.channels, type));
  }
  return h;
}

Header read_header(Text& text) {
  const char kind = text.word().at(1);
  Header h;
  if (kind == '7') {
    h = read_pam(text);
  } else {
    h.width = text.number("width");
    h.height = text.number("height");
    h.bits = kind == '1' || kind == '4';
    h.ascii = kind < '4';
    h.channels = kind == '3' || kind == '6' ? 3 : 1;
    if (!h.bits) h.maxval = text.number("maxval");
  }
  if (!h.ascii) text.skip_one();  // exactly one space, then pixels
  if (h.maxval < 1 || h.maxval > 65535)
    throw Error(fmt::format("a PNM file: maxval: expected 1 to 65535, got {}", h.maxval));
  if (h.width < 1 || h.height < 1 || h.width > kMostPixels / h.height)
    throw Error(fmt::format("a PNM file of {} x {} pixels; expected 1 to 2^30 in all", h.width, h.height));
  return h;
}

// Calls use(value) for all values, row by row.
template <class Use>
void read_values(const Header& h, Text& text, Use use) {
  const int64_t count = h.width * h.height * h.channels;
  if (h.ascii) {
    for (int64_t i = 0; i < count; ++i) use(h.bits ? text.bit() : text.number("pixel"));
  } else if (h.bits) {
    const int64_t row_bytes = (h.width + 7) / 8;
    const uint8_t* data = text.binary(row_bytes * h.height);
    for (int64_t y = 0; y < h.height; ++y, data += row_bytes) {
      for (int64_t x = 0; x < h.width; ++x) use(data[x / 8] >> (7 - x % 8) & 1);
    }
  } else {
    const bool wide = h.maxval > 255;
    const uint8_t* data = text.binary(wide ? 2 * count : count);
    for (int64_t i = 0; i < count; ++i) use(wide ? data[2 * i] << 8 | data[2 * i + 1] : data[i]);
  }
}

}  // namespace

at::Tensor decode_pnm(const std::vector<uint8_t>& bytes) {
  Text text(bytes);
  const Header h = read_header(text);
  at::Tensor rgb = at::empty({h.height, h.width, 3}, at::kByte);
  uint8_t* to = rgb.data_ptr<uint8_t>();
  uint8_t pixel[4];
  int64_t have = 0;
  read_values(h, text, [&](int64_t value) {
    const int64_t shade = h.bits ? 1 - value : std::min(value, h.maxval);
    pixel[have++] = static_cast<uint8_t>((shade * 255 + h.maxval / 2) / h.maxval);
    if (have < h.channels) return;
    have = 0;
    for (int c = 0; c < 3; ++c) {
      const uint8_t colour = pixel[h.channels < 3 ? 0 : c];  // grey with alpha loses it, as in a PNG
      *to++ = h.channels == 4 ? on_white(colour, pixel[3]) : colour;
    }
  });
  return rgb;
}

}  // namespace vqt
