#include "cpu/conv/conv_int8.h"

#include <algorithm>
#include <cstring>

#include "cpu/conv/conv_steps.h"
#include "cpu/layout/panel.h"
#include "cpu/linear/linear_int8_kernel.h"
#include "cpu/linear_plan.h"
#include "cpu/quantize/quantize_per_token_kernel.h"
#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

constexpr int64_t kRowTile = 12;    // rows of a block are a multiple where there are enough
constexpr int64_t kMostRows = 144;  // of a block: more does not help the products
constexpr int64_t kGroupRows = 4;   // that are float32 at a time: the quantizer takes four
constexpr int64_t kPositions = 16;  // of a tile
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

// Parts of a thread's working memory, at multiples of 64 bytes.
class Cutter {
 public:
  template <class T>
  T* take(int64_t count) {
    const int64_t at = used_;
    used_ += round_up(count * static_cast<int64_t>(sizeof(T)), 64);
    return base_ == nullptr ? nullptr : reinterpret_cast<T*>(base_ + at);
  }
  void place(void* base) { base_ = static_cast<char*>(base), used_ = 0; }
  int64_t used() const { return used_; }

 private:
  char* base_ = nullptr;
  int64_t used_ = 0;
};

// x's pixels of one rectangle of tiles, resized, in float32.
struct Patch {
  float* pixels = nullptr;
  int64_t top = 0, left = 0, height = 0, width = 0;  // may begin outside of x: those pixels are 0
};

class Block {
 public:
  Block(const ConvInt8Job& job, const ConvPlan& plan, int64_t block)
      : a_(job), plan_(plan), steps_(conv_steps(plan.isa)), depth_(depth(job)), columns_(columns(job)) {
    Cutter cutter;
    cut(cutter);
    cutter.place(outer_scratch(static_cast<size_t>(cutter.used())));
    cut(cutter);
    std::memset(zeros_, 0, static_cast<size_t>(a_.x.channels) * sizeof(float));
    place_rows(block);
    for (int64_t p = 0; p < positions(a_); ++p) {
      rows_[p] =
          activation_rows(quantized_ + p * bytes_of_position(), count_, depth_, activation_tile(plan_.isa));
      rows_[p].sum = nullptr;
    }
  }

  void run() {
    if (a_.resizes()) make_patch();
    quantize();
    for (int64_t c = 0; c < columns_; c += plan_.columns) {
      const int64_t width = std::min(plan_.columns, columns_ - c);
      multiply(c, width);
      store(c, width);
    }
  }

 private:
  int64_t bytes_of_position() const { return round_up(activation_bytes_per_row(depth_) * plan_.rows, 64); }
  int64_t sums_of_position() const { return plan_.rows * plan_.columns; }

  void cut(Cutter& cutter) {
    places_ = cutter.take<Place>(plan_.rows);
    quantized_ = cutter.take<uint8_t>(positions(a_) * bytes_of_position());
    floats_ = cutter.take<float>(positions(a_) * kGroupRows * depth_);
    sums_ = cutter.take<float>(positions(a_) * sums_of_position());
    zeros_ = cutter.take<float>(a_.x.channels);
    if (!a_.resizes()) return;
    const int64_t height = 2 * plan_.tile_rows + 2, width = 2 * plan_.tile_columns + 2;
    patch_.pixels = cutter.take<float>(height * width * a_.x.channels);
    low_row_ = cutter.take<float>((a_.x.width + 1) * a_.x.channels);
  }

  void place_rows(int64_t block) {
    const Grid g = grid(a_);
    count_ = 0;
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

  const char* zeros() const { return reinterpret_cast<const char*>(zeros_); }

  // A pixel of x, resized where it is; zeros outside.
  const char* pixel(int64_t frame, int64_t y, int64_t x) const {
    if (y < 0 || y >= a_.x_height || x < 0 || x >= a_.x_width) return zeros();
    if (!a_.resizes()) return a_.x.pixel(frame, y, x);
    const int64_t at = (y - patch_.top) * patch_.width + x - patch_.left;
    return reinterpret_cast<const char*>(patch_.pixels + at * a_.x.channels);
  }
  MapDtype pixel_dtype() const { return a_.resizes() ? MapDtype::kFloat32 : a_.x.dtype; }

  // Each row: between two rows of the smaller map, then between two columns.
  void make_patch() {
    const int64_t c = a_.x.channels, half = c / 2, frame = places_[0].frame;
    const Range xs = {std::max<int64_t>(patch_.left, 0), std::min(patch_.left + patch_.width, a_.x_width)};
    if (xs.size() <= 0) return;
    const int64_t first = resize_at(xs.begin, a_.x.width, a_.x_width).low;
    const int64_t last = resize_at(xs.end - 1, a_.x.width, a_.x_width).high;
    for (int64_t i = 0; i < patch_.height; ++i) {
      const int64_t y = patch_.top + i;
      if (y < 0 || y >= a_.x_height) continue;
      const ResizeAt down = resize_at(y, a_.x.height, a_.x_height);
      float* const spare = low_row_ + a_.x.width * c;
      for (int64_t x = first; x <= last; ++x) {
        float* const to = low_row_ + x * c;
        steps_.read(a_.x.pixel(frame, down.low, x), a_.x.dtype, c, to);
        steps_.read(a_.x.pixel(frame, down.high, x), a_.x.dtype, c, spare);
        steps_.lerp(to, spare, down.weight, nullptr, c, to);
      }
      for (int64_t x = xs.begin; x < xs.end; ++x) {
        const ResizeAt across = resize_at(x, a_.x.width, a_.x_width);
        const float *left = low_row_ + across.low * c, *right = low_row_ + across.high * c;
        float* const to = patch_.pixels + (i * patch_.width + x - patch_.left) * c;
        if (a_.pos_x == nullptr) {
          steps_.lerp(left, right, across.weight, nullptr, c, to);
        } else {
          steps_.lerp(left, right, across.weight, a_.pos_x + x * half, half, to);
          steps_.lerp(left + half, right + half, across.weight, a_.pos_y + y * half, half, to + half);
        }
      }
    }
  }

  void quantize() {
    const QuantizeRowsFn quantizer = quantize_rows_kernel(plan_.isa);
    QuantizeRowsJob job;
    job.k = depth_;
    job.symmetric = true;
    const bool in_place = can_read_in_place();
    for (int64_t row = 0; row < count_; row += kGroupRows) {
      const int64_t end = std::min(row + kGroupRows, count_);
      for (int64_t i = row; i < end && !in_place; ++i) fill(places_[i], floats_ + (i - row) * depth_);
      for (int64_t p = 0; p < positions(a_); ++p) {
        job.out = rows_[p];
        // the quantizer finds row r at x + r * x_stride
        job.x_stride = depth_;
        job.x = floats_ + p * kGroupRows * depth_ - row * depth_;
        if (!in_place) {
          quantizer(job, row, end);
          continue;
        }
        for (int64_t i = row; i < end; ++i) {
          const Place& at = places_[i];
          job.x_stride = 0;
          job.x = reinterpret_cast<const float*>(a_.x.pixel(at.frame, at.y, at.x));
          quantizer(job, i, i + 1);
        }
      }
    }
  }

  // Are rows pixels of x as it is?
  bool can_read_in_place() const {
    return a_.x.dtype == MapDtype::kFloat32 &&
           (a_.form == ConvForm::kPointwise || a_.form == ConvForm::kTransposed);
  }

  // One row's values; of a tile the rows of all positions, kGroupRows * depth apart.
  void fill(const Place& at, float* to) const {
    switch (a_.form) {
      case ConvForm::kPointwise:
      case ConvForm::kTransposed:
        return steps_.read(a_.x.pixel(at.frame, at.y, at.x), a_.x.dtype, depth_, to);
      case ConvForm::kWindows:
        for (int64_t i = 0; i < a_.kernel_h; ++i) {
          for (int64_t j = 0; j < a_.kernel_w; ++j, to += a_.x.channels) {
            const int64_t y = at.y * a_.stride_h - a_.pad_h + i, x = at.x * a_.stride_w - a_.pad_w + j;
            steps_.read(pixel(at.frame, y, x), a_.x.dtype, a_.x.channels, to);
          }
        }
        return;
      case ConvForm::kWinograd: {
        const char* pixels[kPositions];
        for (int64_t i = 0; i < kPositions; ++i) {
          pixels[i] = pixel(at.frame, 2 * at.y - a_.pad_h + i / 4, 2 * at.x - a_.pad_w + i % 4);
        }
        return steps_.winograd_input(pixels, pixel_dtype(), depth_, to, kGroupRows * depth_);
      }
    }
  }

  void multiply(int64_t column, int64_t width) {
    const LinearInt8Fn linear = linear_int8_kernel(plan_.linear);
    LinearInt8Job job;
    job.k = depth_;
    job.w = a_.w;
    job.w_scale = a_.w_scale;
    job.w_sum = a_.w_sum;
    job.out.y_stride = plan_.columns;
    for (int64_t p = 0; p < positions(a_); ++p) {
      job.x = rows_[p];
      job.out.first_column = p * columns_ + column;
      job.out.y = sums_ + p * sums_of_position();
      linear(job, {0, count_}, {job.out.first_column, job.out.first_column + width});
    }
  }

  // Where channels from `channel` on of one result go.
  PixelStore pixel_store(int64_t frame, int64_t y, int64_t x, int64_t channel) const {
    PixelStore s;
    if (y >= a_.y.height || x >= a_.y.width) return s;
    const auto at = [&](const Map& map, int64_t row, int64_t column) {
      return map.pixel(frame, row, column) + channel * bytes_of(map.dtype);
    };
    s.y = at(a_.y, y, x);
    if (a_.residual.data != nullptr) s.residual = at(a_.residual, y, x);
    if (a_.low.data == nullptr) return s;
    const ResizeAt down = resize_at(y, a_.low.height, a_.y.height);
    const ResizeAt across = resize_at(x, a_.low.width, a_.y.width);
    s.low[0] = at(a_.low, down.low, across.low), s.low[1] = at(a_.low, down.low, across.high);
    s.low[2] = at(a_.low, down.high, across.low), s.low[3] = at(a_.low, down.high, across.high);
    s.low_y = down.weight, s.low_x = across.weight;
    return s;
  }

  void store(int64_t column, int64_t width) const {
    StoreStep step;
    step.y_dtype = a_.y.dtype;
    step.residual_dtype = a_.residual.dtype;
    step.low_dtype = a_.low.dtype;
    step.relu = a_.relu;
    if (a_.form == ConvForm::kTransposed) return store_transposed(step, column, width);
    step.columns = std::min(width, a_.n - column);
    if (step.columns <= 0) return;
    if (a_.bias != nullptr) step.bias = a_.bias + column;
    for (int64_t row = 0; row < count_; ++row) {
      const Place& at = places_[row];
      const float* const sums = sums_ + row * plan_.columns;
      if (a_.form != ConvForm::kWinograd) {
        steps_.store(sums, step, pixel_store(at.frame, at.y, at.x, column));
        continue;
      }
      PixelStore stores[4];
      for (int64_t i = 0; i < 4; ++i) {
        stores[i] = pixel_store(at.frame, 2 * at.y + i / 2, 2 * at.x + i % 2, column);
      }
      steps_.winograd_store(sums, sums_of_position(), step, stores);
    }
  }

  // A strip may hold the end of one result's channels and the beginning of the next one's.
  void store_transposed(StoreStep step, int64_t column, int64_t width) const {
    const int64_t end = column + width;
    for (int64_t c = column; c < end; c += step.columns) {
      const int64_t tap = c / a_.n, channel = c % a_.n;
      step.columns = std::min(end - c, a_.n - channel);
      if (a_.bias != nullptr) step.bias = a_.bias + channel;
      for (int64_t row = 0; row < count_; ++row) {
        const Place& at = places_[row];
        const int64_t y = at.y * a_.kernel_h + tap / a_.kernel_w, x = at.x * a_.kernel_w + tap % a_.kernel_w;
        steps_.store(sums_ + row * plan_.columns + c - column, step, pixel_store(at.frame, y, x, channel));
      }
    }
  }

  const ConvInt8Job& a_;
  const ConvPlan& plan_;
  const ConvSteps& steps_;
  const int64_t depth_, columns_;
  int64_t count_ = 0;
  Place* places_ = nullptr;
  QuantizedRows rows_[kPositions];
  uint8_t* quantized_ = nullptr;
  float* floats_ = nullptr;  // [positions][kGroupRows][depth]
  float* sums_ = nullptr;    // [positions][plan.rows][plan.columns]
  float* zeros_ = nullptr;   // a pixel outside of x
  Patch patch_;
  float* low_row_ = nullptr;  // a row of x between two, and one pixel more
};

}  // namespace

ConvPlan plan_conv(const ConvInt8Job& a, Isa isa, int threads, const CacheSizes& caches) {
  ConvPlan plan;
  plan.isa = isa;
  const Grid g = grid(a);
  plan.all_rows = a.y.frames * g.height * g.width;
  // u8 rows in a third of L2
  const int64_t fit = caches.l2 / 3 / (positions(a) * activation_depth(depth(a)));
  const int64_t most = std::clamp(fit / kRowTile * kRowTile, kRowTile, kMostRows);
  if (a.resizes()) {
    plan.tile_rows = std::min(kRectangleRows, g.height),
    plan.tile_columns = std::min(kRectangleColumns, g.width);
    plan.rows = plan.tile_rows * plan.tile_columns;
    plan.blocks = a.y.frames * divide_up(g.height, plan.tile_rows) * divide_up(g.width, plan.tile_columns);
  } else {
    const int64_t blocks = round_up(divide_up(plan.all_rows, most), threads);
    plan.blocks = std::min(blocks, std::max<int64_t>(divide_up(plan.all_rows, kRowTile), 1));
    plan.rows = divide_up(plan.all_rows, plan.blocks);
  }
  const bool vnni = isa == Isa::kAvx512Vnni || isa == Isa::kAvxVnni;
  plan.columns = std::min(columns(a), vnni ? 2 * kPanel : 8 * kPanel);
  LinearShape shape;
  shape.rows = plan.rows;
  shape.column_end = plan.columns;
  shape.k = depth(a);
  shape.isa = isa;
  plan.linear = plan_linear(shape, caches).kernel;
  return plan;
}

void conv_int8_block(const ConvInt8Job& job, const ConvPlan& plan, int64_t block) {
  Block(job, plan, block).run();
}

}  // namespace vqt::cpu
