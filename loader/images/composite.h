// Colours on white, in 8 bits, as Pillow's alpha_composite rounds them.
#pragma once

#include <cstdint>

namespace vqt {

// a * b of numbers that stand for 0 to 1.
inline uint8_t product(int a, int b) { return static_cast<uint8_t>((a * b + 127) / 255); }

// A colour that is stored as it is, and one that is stored multiplied by its alpha.
inline uint8_t on_white(int colour, int alpha) {
  return static_cast<uint8_t>((colour * alpha + 255 * (255 - alpha) + 127) / 255);
}
inline uint8_t multiplied_on_white(int colour, int alpha) {
  return static_cast<uint8_t>(colour < alpha ? colour + 255 - alpha : 255);
}

}  // namespace vqt
