#include "cpu/conv/conv_int8.h"

#include <algorithm>
#include <cstring>

#include "cpu/arrays.h"
#include "cpu/conv/conv_steps.h"
#include "cpu/conv/winograd_product.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/linear_plan.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kRowTile = 12;              // rows of a block are a multiple where there are enough
constexpr int64_t kMostRows = 144;            // of a block: more does not help the products
constexpr int64_t kGroupRows = kTilesAtOnce;  // that are filled and quantized at a time
constexpr int64_t kPositions = kTilePositions;
constexpr int64_t kRectangleRows = 6, kRectangleColumns = 12;  // of tiles

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }
int64_t round_up(int64_t a, int64_t b) { return divide_up(a, b) * b; }

int64_t positions(const ConvInt8Job& a) { return a.form == ConvForm::kWinograd ? kPositions : 1; }

// Values of a row.
int64_t depth(const ConvInt8Job& a) {
  return a.form == ConvForm::kWindows ? a.kernel_h * a.kernel_w * a.x.channels : a.x.channels;
}

// Columns of one position.
int64_t columns(const ConvInt8Job& a) {
  if (a.form == ConvForm::kTransposed) return a.kernel_h * a.kernel_w * a.n;
  return a.form == ConvForm::kWinograd ? round_up(a.n, kPanel) : a.n;
}

// Rows of a frame, as a grid.
struct Grid {
  int64_t height, width;
};
Grid grid(const ConvInt8Job& a) {
  if (a.form == ConvForm::kWinograd) return {divide_up(a.y.height, 2), divide_up(a.y.width, 2)};
  return a.form == ConvForm::kTransposed ? Grid{a.x.height, a.x.width} : Grid{a.y.height, a.y.width};
}

struct Place {
  int64_t frame, y, x;  // of the grid
};

// x's pixels of one rectangle of tiles, resized, in float32.
struct Patch {
  float* pixels = nullptr;
  int64_t top = 0, left = 0, height = 0, width = 0;  // may begin outside of x: those pixels are not made
};

class Block {
 public:
  Block(const ConvInt8Job& job, const ConvPlan& plan, int64_t block)
      : a_(job), plan_(plan), steps_(conv_steps(plan.isa)), depth_(depth(job)), columns_(columns(job)) {
    Arrays counted(nullptr);
    cut(counted);
    Arrays arrays(static_cast<std::byte*>(outer_scratch(static_cast<size_t>(counted.bytes()))));
    cut(arrays);
    std::memset(zeros_, 0, static_cast<size_t>(a_.x.channels) * sizeof(float));
    place_rows(block);
    place_stores();
    const int64_t bytes = bytes_of_position(), tile = plan_.fused_amx() ? 1 : activation_tile(plan_.isa);
    for (int64_t p = 0; p < positions(a_); ++p) {
      rows_[p] = activation_rows(quantized_ + p * bytes, count_, depth_, tile);
      rows_[p].sum = nullptr;
      if (a_.form == ConvForm::kWinograd) std::fill_n(rows_[p].zero, count_, 128);
    }
  }

  void run() {
    if (a_.resizes()) make_patch();
    for (int64_t row = 0, end = 0; row < count_; row = end) {
      end = std::min(row + kGroupRows, end_of_group(row));
      a_.form == ConvForm::kWinograd ? quantize_tiles(row, end) : quantize_rows(row, end);
    }
    for (int64_t c = 0; c < columns_; c += plan_.columns) {
      const int64_t width = std::min(plan_.columns, columns_ - c);
      if (plan_.fused()) {
        multiply_and_store_tiles(c, width);
      } else {
        multiply(c, width);
        store(c, width);
      }
    }
  }

 private:
  int64_t bytes_of_position() const { return round_up(activation_bytes_per_row(depth_) * plan_.rows, 64); }
  int64_t sums_of_position() const {
    return plan_.fused() ? product_rows() * kStripColumns : plan_.rows * plan_.columns;
  }
  // At most, of a fused product.
  int64_t product_rows() const { return plan_.fused_amx() ? kRowsAmx : kRowTile; }

  // Results of a row whose places are kept. A transposed convolution has kernel_h * kernel_w: made while it stores.
  int64_t stores_per_row() const {
    return a_.form == ConvForm::kWinograd ? 4 : a_.form == ConvForm::kTransposed ? 0 : 1;
  }

  void cut(Arrays& arrays) {
    places_ = arrays.take<Place>(plan_.rows);
    stores_ = arrays.take<PixelStore>(plan_.rows * stores_per_row());
    lines_ = arrays.take<const char*>(plan_.rows * stores_per_row());
    quantized_ = arrays.take<uint8_t>(positions(a_) * bytes_of_position());
    const bool tiles = a_.form == ConvForm::kWinograd;
    floats_ = arrays.take<float>(tiles ? winograd_work(depth_) : kGroupRows * depth_);
    sums_ = arrays.take<float>(positions(a_) * sums_of_position());
    zeros_ = arrays.take<float>(a_.x.channels);
    if (!a_.resizes()) return;
    const int64_t height = 2 * plan_.tile_rows + 2, width = 2 * plan_.tile_columns + 2;
    patch_.pixels = arrays.take<float>(height * width * a_.x.channels);
    low_row_ = arrays.take<float>(a_.x.width * a_.x.channels);
  }

  // Rows that are quantized together lie in one tile of rows.
  int64_t end_of_group(int64_t row) const {
    const int64_t first = rows_[0].first(row);
    return rows_[0].tile == 1 ? count_ : first + rows_[0].height(first);
  }

  void place_rows(int64_t block) {
    const Grid g = grid(a_);
    if (!a_.resizes()) {
      const int64_t begin = plan_.all_rows * block / plan_.blocks;
      const int64_t end = plan_.all_rows * (block + 1) / plan_.blocks;
      for (int64_t row = begin; row < end; ++row) {
        places_[count_++] = {row / (g.height * g.width), row / g.width % g.height, row % g.width};
      }
      return;
    }
    const int64_t down = divide_up(g.height, plan_.tile_rows),
                  across = divide_up(g.width, plan_.tile_columns);
    const int64_t frame = block / (down * across), i = block / across % down, j = block % across;
    const Range ys = {g.height * i / down, g.height * (i + 1) / down};
    const Range xs = {g.width * j / across, g.width * (j + 1) / across};
    for (int64_t y = ys.begin; y < ys.end; ++y) {
      for (int64_t x = xs.begin; x < xs.end; ++x) places_[count_++] = {frame, y, x};
    }
    patch_.top = 2 * ys.begin - a_.pad_h, patch_.left = 2 * xs.begin - a_.pad_w;
    patch_.height = 2 * ys.size() + 2, patch_.width = 2 * xs.size() + 2;
  }

  void place_stores() {
    for (int64_t row = 0; row < count_; ++row) {
      const Place& at = places_[row];
      if (stores_per_row() == 1) stores_[row] = pixel_store(at.frame, at.y, at.x);
      if (stores_per_row() != 4) continue;
      for (int64_t i = 0; i < 4; ++i) {
        stores_[4 * row + i] = pixel_store(at.frame, 2 * at.y + i / 2, 2 * at.x + i % 2);
      }
    }
  }

  // Where one result goes.
  PixelStore pixel_store(int64_t frame, int64_t y, int64_t x) const {
    PixelStore s;
    if (y >= a_.y.height || x >= a_.y.width) return s;
    s.y = a_.y.pixel(frame, y, x);
    if (a_.residual.data != nullptr) s.residual = a_.residual.pixel(frame, y, x);
    if (a_.low.data == nullptr) return s;
    const ResizeAt down = resize_at(y, a_.low.height, a_.y.height);
    const ResizeAt across = resize_at(x, a_.low.width, a_.y.width);
    s.low[0] = a_.low.pixel(frame, down.low, across.low),
    s.low[1] = a_.low.pixel(frame, down.low, across.high);
    s.low[2] = a_.low.pixel(frame, down.high, across.low),
    s.low[3] = a_.low.pixel(frame, down.high, across.high);
    s.low_y = down.weight, s.low_x = across.weight;
    return s;
  }

  // A pixel of x, resized where it is; zeros outside.
  const char* pixel(int64_t frame, int64_t y, int64_t x) const {
    if (y < 0 || y >= a_.x_height || x < 0 || x >= a_.x_width) return reinterpret_cast<const char*>(zeros_);
    if (!a_.resizes()) return a_.x.pixel(frame, y, x);
    const int64_t at = (y - patch_.top) * patch_.width + x - patch_.left;
    return reinterpret_cast<const char*>(patch_.pixels + at * a_.x.channels);
  }

  // Each row: between two rows of the smaller map, then between two columns.
  void make_patch() {
    const int64_t c = a_.x.channels, half = c / 2, frame = places_[0].frame;
    const Range xs = {std::max<int64_t>(patch_.left, 0), std::min(patch_.left + patch_.width, a_.x_width)};
    if (xs.size() <= 0) return;
    const int64_t first = resize_at(xs.begin, a_.x.width, a_.x_width).low;
    const int64_t last = resize_at(xs.end - 1, a_.x.width, a_.x_width).high;
    const int64_t run = a_.x.pixel_stride == c ? last - first + 1 : 1;  // pixels side by side
    const auto low_pixel = [&](int64_t x) { return low_row_ + (x - first) * c; };
    for (int64_t i = 0; i < patch_.height; ++i) {
      const int64_t y = patch_.top + i;
      if (y < 0 || y >= a_.x_height) continue;
      const ResizeAt down = resize_at(y, a_.x.height, a_.x_height);
      for (int64_t x = first; x <= last; x += run) {
        steps_.lerp(a_.x.pixel(frame, down.low, x), a_.x.pixel(frame, down.high, x), a_.x.dtype, down.weight,
                    nullptr, run * c, low_pixel(x));
      }
      for (int64_t x = xs.begin; x < xs.end; ++x) {
        const ResizeAt across = resize_at(x, a_.x.width, a_.x_width);
        const float *left = low_pixel(across.low), *right = low_pixel(across.high);
        float* const to = patch_.pixels + (i * patch_.width + x - patch_.left) * c;
        const auto lerp = [&](int64_t channel, int64_t n, const float* plus) {
          steps_.lerp(reinterpret_cast<const char*>(left + channel),
                      reinterpret_cast<const char*>(right + channel), MapDtype::kFloat32, across.weight, plus,
                      n, to + channel);
        };
        if (a_.pos_x == nullptr) {
          lerp(0, c, nullptr);
        } else {
          lerp(0, half, a_.pos_x + x * half);
          lerp(half, half, a_.pos_y + y * half);
        }
      }
    }
  }

  void quantize_rows(int64_t row, int64_t end) {
    QuantizeRowsJob job;  // reads row r at x + r * x_stride
    job.out = rows_[0];
    job.k = depth_;
    job.symmetric = true;
    const QuantizeRowsFn quantizer = quantize_rows_kernel(plan_.isa);
    if (reads_in_place(row, end)) {
      const Place& at = places_[row];
      job.x_stride = a_.x.pixel_stride;
      job.x = reinterpret_cast<const float*>(a_.x.pixel(at.frame, at.y, at.x)) - row * job.x_stride;
      return quantizer(job, row, end);
    }
    for (int64_t i = row; i < end; ++i) fill(places_[i], floats_ + (i - row) * depth_);
    job.x_stride = depth_;
    job.x = floats_ - row * depth_;
    quantizer(job, row, end);
  }

  // Are these rows pixels of x as they are, a pixel's stride apart?
  bool reads_in_place(int64_t row, int64_t end) const {
    if (a_.x.dtype != MapDtype::kFloat32 || a_.form == ConvForm::kWindows) return false;
    const Place &first = places_[row], &last = places_[end - 1];
    return first.frame == last.frame &&
           (first.y == last.y || a_.x.row_stride == a_.x.width * a_.x.pixel_stride);
  }

  void fill(const Place& at, float* to) const {
    if (a_.form != ConvForm::kWindows) {
      return steps_.read(a_.x.pixel(at.frame, at.y, at.x), a_.x.dtype, depth_, to);
    }
    for (int64_t i = 0; i < a_.kernel_h; ++i) {
      for (int64_t j = 0; j < a_.kernel_w; ++j, to += a_.x.channels) {
        const int64_t y = at.y * a_.stride_h - a_.pad_h + i, x = at.x * a_.stride_w - a_.pad_w + j;
        steps_.read(pixel(at.frame, y, x), a_.x.dtype, a_.x.channels, to);
      }
    }
  }

  void quantize_tiles(int64_t row, int64_t end) {
    WinogradTiles tiles;
    tiles.count = end - row;
    tiles.dtype = a_.resizes() ? MapDtype::kFloat32 : a_.x.dtype;
    tiles.channels = depth_;
    tiles.pixel_bytes = (a_.resizes() ? depth_ : a_.x.pixel_stride) * bytes_of(tiles.dtype);
    for (int64_t i = row; i < end; ++i) {
      const int64_t y = 2 * places_[i].y - a_.pad_h, x = 2 * places_[i].x - a_.pad_w;
      for (int64_t j = 0; j < kPositions; ++j) {
        tiles.pixels[i - row][j] = pixel(places_[i].frame, y + j / 4, x + j % 4);
      }
    }
    steps_.winograd_rows(tiles, rows_, row, floats_);
  }

  LinearInt8Job linear_job() const {
    LinearInt8Job job;
    job.k = depth_;
    job.w = a_.w;
    job.w_scale = a_.w_scale;
    job.w_sum = a_.w_sum;
    return job;
  }

  void multiply(int64_t column, int64_t width) {
    const LinearInt8Fn linear = linear_int8_kernel(plan_.linear);
    LinearInt8Job job = linear_job();
    job.out.y_stride = plan_.columns;
    for (int64_t p = 0; p < positions(a_); ++p) {
      job.x = rows_[p];
      job.out.first_column = p * columns_ + column;
      job.out.y = sums_ + p * sums_of_position();
      linear(job, {0, count_}, {job.out.first_column, job.out.first_column + width});
    }
  }

  // Columns past n are padding.
  StoreStep store_step(int64_t column, int64_t width) const {
    StoreStep step;
    step.bias = a_.bias;
    step.y_dtype = a_.y.dtype;
    step.residual_dtype = a_.residual.dtype;
    step.low_dtype = a_.low.dtype;
    step.relu = a_.relu;
    step.channel = column;
    step.channels = std::min(width, a_.n - column);
    return step;
  }

  void store(int64_t column, int64_t width) const {
    if (a_.form == ConvForm::kTransposed) return store_transposed(column, width);
    const StoreStep step = store_step(column, width);
    for (int64_t row = 0; row < count_; ++row) {
      const float* const sums = sums_ + row * plan_.columns;
      if (a_.form == ConvForm::kWinograd) {
        steps_.winograd_store(sums, sums_of_position(), step, stores_ + 4 * row);
      } else {
        steps_.store(sums, step, stores_[row]);
      }
    }
  }

  // A strip may hold the end of one result's channels and the beginning of the next one's.
  void store_transposed(int64_t column, int64_t width) const {
    const int64_t end = column + width;
    for (int64_t c = column; c < end;) {
      const int64_t tap = c / a_.n;
      const StoreStep step = store_step(c % a_.n, end - c);
      for (int64_t row = 0; row < count_; ++row) {
        const Place& at = places_[row];
        const int64_t y = at.y * a_.kernel_h + tap / a_.kernel_w, x = at.x * a_.kernel_w + tap % a_.kernel_w;
        steps_.store(sums_ + row * plan_.columns + c - column, step, pixel_store(at.frame, y, x));
      }
      c += step.channels;
    }
  }

  // One tile of rows after the other: what is summed is stored while it is in L1.
  void multiply_and_store_tiles(int64_t column, int64_t width) {
    WinogradProduct product;
    product.job = linear_job();
    product.rows = rows_;
    product.position_columns = columns_;
    product.m = sums_;
    const auto multiply = plan_.fused_amx() ? winograd_product_amx : winograd_product_avx512vnni;
    const StoreStep step = store_step(column, width);
    WinogradPrefetch prefetch;
    prefetch.next_column = column + width < columns_ ? column + width : 0;
    prefetch.shares = divide_up(count_, product_rows());
    prefetch.pixels = lines_;
    prefetch.bytes = step.channels * bytes_of(a_.y.dtype);
    for (int64_t row = 0, end = 0; row < count_; row = end, ++prefetch.share) {
      const int64_t height = plan_.fused_amx() ? std::min(kRowsAmx, count_ - row) : rows_[0].height(row);
      end = row + height;
      prefetch.count = 0;
      for (int64_t i = 4 * row; i < 4 * end; ++i) {
        if (stores_[i].y != nullptr) lines_[prefetch.count++] = stores_[i].y + column * bytes_of(a_.y.dtype);
      }
      multiply(product, row, height, column, divide_up(width, kPanel), prefetch);
      for (int64_t i = row; i < end; ++i) {
        steps_.winograd_store(sums_ + (i - row) * kStripColumns, height * kStripColumns, step,
                              stores_ + 4 * i);
      }
    }
  }

  const ConvInt8Job& a_;
  const ConvPlan& plan_;
  const ConvSteps& steps_;
  const int64_t depth_, columns_;
  int64_t count_ = 0;
  Place* places_ = nullptr;
  PixelStore* stores_ = nullptr;  // [count][stores_per_row()]
  const char** lines_ = nullptr;  // what a strip of a tile of rows stores to
  QuantizedRows rows_[kPositions];
  uint8_t* quantized_ = nullptr;
  float* floats_ = nullptr;  // rows before they are quantized, or winograd_work
  float* sums_ = nullptr;    // [positions][rows][plan.columns]
  float* zeros_ = nullptr;   // a pixel outside of x
  Patch patch_;
  float* low_row_ = nullptr;  // a row of x between two
};

}  // namespace

ConvPlan plan_conv(const ConvInt8Job& a, Isa isa, AmxUse amx, int threads, const CacheSizes& caches) {
  ConvPlan plan;
  plan.isa = isa;
  plan.form = a.form;
  const Grid g = grid(a);
  plan.all_rows = a.y.frames * g.height * g.width;
  if (a.resizes()) {
    plan.tile_rows = std::min(kRectangleRows, g.height);
    plan.tile_columns = std::min(kRectangleColumns, g.width);
    plan.rows = plan.tile_rows * plan.tile_columns;
    plan.blocks = a.y.frames * divide_up(g.height, plan.tile_rows) * divide_up(g.width, plan.tile_columns);
  } else {
    // u8 rows in a third of L2
    const int64_t fit = caches.l2 / 3 / (positions(a) * activation_depth(depth(a)));
    const int64_t most = std::clamp(fit / kRowTile * kRowTile, kRowTile, kMostRows);
    const int64_t blocks = round_up(divide_up(plan.all_rows, most), threads);
    plan.blocks = std::clamp<int64_t>(blocks, 1, std::max<int64_t>(divide_up(plan.all_rows, kRowTile), 1));
    plan.rows = divide_up(plan.all_rows, plan.blocks);
  }
  const int64_t strip = plan.fused()                    ? kStripColumns
                        : a.form == ConvForm::kWinograd ? 8 * kPanel
                                                        : 16 * kPanel;
  plan.columns = std::min(columns(a), strip);
  LinearShape shape;
  shape.rows = plan.rows;
  shape.column_end = plan.columns;
  shape.k = depth(a);
  shape.isa = isa;
  shape.amx = amx == AmxUse::kAlways ? AmxUse::kNever : amx;
  plan.linear = plan_linear(shape, caches).kernel;
  return plan;
}

void conv_int8_block(const ConvInt8Job& job, const ConvPlan& plan, int64_t block) {
  Block(job, plan, block).run();
}

}  // namespace vqt::cpu
