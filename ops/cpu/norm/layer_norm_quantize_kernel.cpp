#include "cpu/norm/layer_norm_quantize_kernel.h"

#include "cpu/scratch.h"

namespace vqt::cpu {
namespace {

// The tile that begins at a row, as rows of its own.
QuantizedRows tile_of(const QuantizedRows& rows, int64_t row) {
  return {rows.q + row * rows.k_pad, rows.scale + row, rows.zero + row, rows.sum + row,
          rows.height(row),          rows.k_pad,       rows.tile};
}

}  // namespace

void layer_norm_quantize(const LayerNorm& norm, const QuantizeRowsJob& quantize, Isa isa, Range rows) {
  const LayerNormFn normalize = layer_norm_kernel(isa);
  const QuantizeRowsFn quantize_rows = quantize_rows_kernel(isa);
  LayerNorm tile = norm;
  QuantizeRowsJob job = quantize;
  tile.y = static_cast<float*>(scratch(quantize.out.tile * norm.k * sizeof(float)));
  job.x = tile.y;
  job.x_stride = norm.k;
  for (int64_t row = rows.begin; row < rows.end; row += job.out.rows) {
    job.out = tile_of(quantize.out, row);
    tile.x = norm.x + row * norm.x_stride;
    normalize(tile, {0, job.out.rows});
    quantize_rows(job, 0, job.out.rows);
  }
}

}  // namespace vqt::cpu
