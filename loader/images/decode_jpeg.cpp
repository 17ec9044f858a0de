#include "loader/images/decode_jpeg.h"

#include <ATen/ops/empty.h>
#include <fmt/format.h>

#include <csetjmp>
#include <cstdio>  // jpeglib.h needs it

#include <jpeglib.h>

#include <jerror.h>

#include "loader/images/composite.h"
#include "loader/images/decode_image.h"

namespace vqt {
namespace {

// Of libjpeg's warnings those after which pixels are made up.
bool loses_pixels(int warning) {
  return warning == JWRN_JPEG_EOF || warning == JWRN_HIT_MARKER || warning == JWRN_HUFF_BAD_CODE ||
         warning == JWRN_MUST_RESYNC || warning == JWRN_ARITH_BAD_CODE;
}

class JpegReader {
 public:
  explicit JpegReader(const std::vector<uint8_t>& bytes) : bytes_(bytes) {
    jpeg_.err = jpeg_std_error(&error_.manager);
    error_.manager.error_exit = &stop;
    error_.manager.emit_message = &judge;
  }
  ~JpegReader() { jpeg_destroy_decompress(&jpeg_); }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  at::Tensor read() {
    if (!run()) {
      const int code = error_.manager.msg_code;
      const bool cut = code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER || code == JERR_INPUT_EMPTY;
      throw Error(fmt::format("the JPEG {}: {}",
                              cut ? "is probably cut short; copy it again" : "cannot be decoded",
                              error_.text));
    }
    return rgb_;
  }

 private:
  struct ErrorState {
    jpeg_error_mgr manager;  // first: libjpeg hands out a pointer to it
    std::jmp_buf back;
    char text[JMSG_LENGTH_MAX];
  };

  [[noreturn]] static void stop(j_common_ptr jpeg) {
    auto* error = reinterpret_cast<ErrorState*>(jpeg->err);
    jpeg->err->format_message(jpeg, error->text);
    std::longjmp(error->back, 1);
  }
  static void judge(j_common_ptr jpeg, int level) {
    if (level < 0 && loses_pixels(jpeg->err->msg_code)) stop(jpeg);
  }

  // libjpeg leaves by longjmp: everything with a destructor is a member, none is local here.
  bool run() {
    if (setjmp(error_.back)) return false;
    jpeg_create_decompress(&jpeg_);
    jpeg_mem_src(&jpeg_, bytes_.data(), bytes_.size());
    jpeg_read_header(&jpeg_, TRUE);
    const int64_t width = jpeg_.image_width, height = jpeg_.image_height;
    if (width * height > kMostPixels)
      throw Error(fmt::format("a JPEG of {} x {} pixels; expected at most 2^30 in all", width, height));
    const bool cmyk = jpeg_.num_components == 4;
    jpeg_.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    jpeg_start_decompress(&jpeg_);
    allocate();
    while (jpeg_.output_scanline < jpeg_.output_height) {
      uint8_t* const rgb = rgb_.data_ptr<uint8_t>() + size_t{jpeg_.output_scanline} * jpeg_.output_width * 3;
      uint8_t* row = cmyk ? row_.data() : rgb;
      jpeg_read_scanlines(&jpeg_, &row, 1);
      if (cmyk) to_rgb(rgb);
    }
    jpeg_finish_decompress(&jpeg_);  // to the end mark
    return true;
  }

  void allocate() {
    rgb_ = at::empty({jpeg_.output_height, jpeg_.output_width, 3}, at::kByte);
    row_.resize(size_t{jpeg_.output_width} * 4);
  }

  // Programs store the complements of C, M, Y and K, as Adobe does.
  void to_rgb(uint8_t* rgb) const {
    for (size_t x = 0; x < jpeg_.output_width; ++x) {
      for (size_t c = 0; c < 3; ++c) rgb[3 * x + c] = product(row_[4 * x + c], row_[4 * x + 3]);
    }
  }

  const std::vector<uint8_t>& bytes_;
  jpeg_decompress_struct jpeg_ = {};
  ErrorState error_ = {};
  at::Tensor rgb_;
  std::vector<uint8_t> row_;
};

}  // namespace

at::Tensor decode_jpeg(const std::vector<uint8_t>& bytes) { return JpegReader(bytes).read(); }

}  // namespace vqt
