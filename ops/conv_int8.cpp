#include "ops/conv_int8.h"

#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/upsample_bilinear2d.h>
#include <c10/core/ScalarType.h>

#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "cpu/conv/conv_int8.h"
#include "ops/huge_pages.h"
#include "ops/kernel_scope.h"
#include "ops/optional_floats.h"
#include "ops/pack_weight.h"
#include "ops/parallel.h"

namespace vqt {
namespace {

using Pair = std::array<int64_t, 2>;
using SymPair = std::array<c10::SymInt, 2>;

std::string sizes_text(const c10::SymDimVector& sizes) {
  std::ostringstream text;
  text << c10::SymIntArrayRef(sizes);
  return text.str();
}

// The size of the map that the windows slide over.
SymPair input_size(const ConvSchemaArgs& a) {
  if (a.x_size.has_value()) return {(*a.x_size)[0], (*a.x_size)[1]};
  return {a.x.sym_size(2), a.x.sym_size(3)};
}

c10::SymDimVector result_sizes(std::string_view op, const ConvSchemaArgs& a) {
  const SymPair in = input_size(a);
  c10::SymDimVector sizes = {a.x.sym_size(0), a.out_channels, 0, 0};
  for (int i = 0; i < 2; ++i) {
    if (a.form == ConvForm::kTransposed) {
      sizes[2 + i] = in[i] * a.kernel[i];
      continue;
    }
    const c10::SymInt free = in[i] + 2 * a.padding[i] - a.kernel[i];
    if (free < 0) {
      fail_value(op, "x",
                 "a map of at least " + std::to_string(a.kernel[0]) + " x " + std::to_string(a.kernel[1]) +
                     " pixels, padding included",
                 describe(a.x));
    }
    sizes[2 + i] = free / a.stride[i] + 1;
  }
  return sizes;
}

void check_form(std::string_view op, const ConvSchemaArgs& a) {
  const Pair none = {0, 0}, one = {1, 1};
  if (a.form == ConvForm::kTransposed) return;
  if (a.form == ConvForm::kPointwise && (a.kernel != one || a.stride != one || a.padding != none)) {
    fail_value(op, "form", "windows with a kernel, stride or padding other than 1, 1 and 0",
               quoted("pointwise"));
  }
  if (a.form == ConvForm::kWinograd && (a.kernel != Pair{3, 3} || a.stride != one)) {
    fail_value(op, "form", "windows with a kernel other than 3 x 3 or a stride other than 1",
               quoted("winograd"));
  }
}

void check_resizing(std::string_view op, const ConvSchemaArgs& a) {
  if (a.x_size.has_value() && a.form != ConvForm::kWinograd) {
    fail_value(op, "x_size", "[] with form=\"" + std::string(to_string(a.form)) + "\"",
               describe(at::IntArrayRef(*a.x_size)));
  }
  if (a.pos_x.has_value() != a.pos_y.has_value()) {
    fail_value(op, a.pos_x.has_value() ? "pos_y" : "pos_x", "both position tables or none of them", "None");
  }
  if (!a.pos_x.has_value()) return;
  if (!a.x_size.has_value()) fail_value(op, "pos_x", "None without x_size", describe(*a.pos_x));
  const c10::SymInt channels = a.x.sym_size(1);
  if (channels % 2 != 0) fail_value(op, "x", "an even number of channels with pos_x", describe(a.x));
  const auto check = [&](std::string_view argument, const at::Tensor& table, int64_t size) {
    check_float(op, argument, table);
    if (table.dim() == 2 && table.sym_size(0) == channels / 2 && table.sym_size(1) == size) return;
    fail_value(op, argument,
               sizes_text({channels / 2, size}) + ", half of x's channels by " +
                   (argument == "pos_x" ? "width" : "height"),
               describe(table));
  };
  check("pos_x", *a.pos_x, (*a.x_size)[1]);
  check("pos_y", *a.pos_y, (*a.x_size)[0]);
}

// Everything but what the data of the weight says. Returns the result's sizes.
c10::SymDimVector check_args(std::string_view op, const ConvSchemaArgs& a) {
  check_float(op, "x", a.x);
  if (a.x.dim() != 4) fail_value(op, "x", "[n, C, h, w]", describe(a.x));
  if (a.weight.scalar_type() != at::kByte || a.weight.dim() != 2) {
    fail_type(op, "weight", "a packed weight (uint8 [rows, bytes a row], made by vqt::pack_weight)",
              describe(a.weight));
  }
  if (a.out_channels < 1) fail_value(op, "out_channels", "1 or more", std::to_string(a.out_channels));
  check_form(op, a);
  const int64_t rows = conv_matrix_size(a.form, a.out_channels, 0, a.kernel).rows;
  if (a.weight.sym_size(0) != rows) {
    fail_value(op, "weight",
               std::to_string(rows) + " rows, as conv_matrix makes them of " +
                   std::to_string(a.out_channels) + " output channels with form=\"" + to_string(a.form) +
                   "\"",
               describe(a.weight));
  }
  check_bias(op, a.bias, a.out_channels);
  check_resizing(op, a);
  const at::ScalarType dtype = a.dtype.value_or(a.x.scalar_type());
  if (!is_kernel_dtype(dtype)) fail_type(op, "dtype", "float32, bfloat16 or float16", describe(dtype));
  return result_sizes(op, a);
}

// Does the kernel add this map? It reads floats of the result's sizes (low: of its batch and channels), where torch's
// sum would have the result's dtype, or that was given.
bool is_kernel_map(const ConvSchemaArgs& a, const at::Tensor& map, const c10::SymDimVector& y,
                   bool any_size) {
  const at::ScalarType dtype = a.x.scalar_type();
  if (map.dim() != 4 || !is_kernel_dtype(map.scalar_type())) return false;
  if (!a.dtype.has_value() && c10::promoteTypes(map.scalar_type(), dtype) != dtype) return false;
  if (map.sym_size(0) != y[0] || map.sym_size(1) != y[1]) return false;
  return any_size || (map.sym_size(2) == y[2] && map.sym_size(3) == y[3]);
}

// The same sums by torch's ops, which broadcast and promote.
at::Tensor with_torchs_sums(std::string_view op, ConvSchemaArgs a) {
  const std::optional<at::Tensor> residual = std::exchange(a.residual, std::nullopt),
                                  low = std::exchange(a.low, std::nullopt);
  const bool relu = std::exchange(a.relu, false);
  at::Tensor y = conv_int8(op, a);
  const c10::SymInt height = y.sym_size(2), width = y.sym_size(3);
  if (residual.has_value()) y = y.add(*residual);
  if (low.has_value())
    y = y.add(at::upsample_bilinear2d_symint(*low, {height, width}, /*align_corners=*/true));
  return relu ? y.relu_() : y;
}

at::Tensor empty_result(const ConvSchemaArgs& a, const c10::SymDimVector& sizes, at::ScalarType dtype) {
  return at::empty_symint(sizes, a.x.options().dtype(dtype), at::MemoryFormat::ChannelsLast);
}

// float32 or bfloat16 with the channels of a pixel side by side: a view where possible.
at::Tensor as_map(const at::Tensor& x) {
  const at::Tensor values = x.scalar_type() == at::kBFloat16 ? x : x.to(at::kFloat);
  return values.stride(1) == 1 || values.size(1) == 1 ? values
                                                      : values.contiguous(at::MemoryFormat::ChannelsLast);
}

cpu::Map map_of(const at::Tensor& map) {
  cpu::Map m;
  m.data = const_cast<void*>(map.const_data_ptr());
  m.dtype = map.scalar_type() == at::kFloat ? cpu::MapDtype::kFloat32 : cpu::MapDtype::kBFloat16;
  m.frames = map.size(0), m.channels = map.size(1), m.height = map.size(2), m.width = map.size(3);
  m.frame_stride = map.stride(0), m.row_stride = map.stride(2), m.pixel_stride = map.stride(3);
  return m;
}

// The packed matrix, checked against x's channels.
PackedBlock open_matrix(std::string_view op, const ConvSchemaArgs& a) {
  PackedBlock packed = open_aligned(op, "weight", a.weight);
  const cpu::PackedHeader& h = packed.header;
  if (h.layout != cpu::Layout::kCpuInt8 || !h.symmetric) {
    fail_value(op, "weight",
               "8 bits, symmetric, per channel or per tensor, in the layout of the CPU's kernels",
               std::to_string(h.bits) + " bits" + (h.symmetric ? "" : ", asymmetric") +
                   (h.layout == cpu::Layout::kCanonical ? ", canonical" : ""));
  }
  const int64_t columns = conv_matrix_size(a.form, a.out_channels, a.x.size(1), a.kernel).columns;
  if (h.k != columns) {
    fail_value(op, "x",
               "the channels of a weight with " + std::to_string(h.k) + " columns, which " +
                   std::to_string(columns / a.x.size(1)) + " values of each channel fill",
               describe(a.x));
  }
  const SumDepth sum = sum_depth(h.k, cpu::scheme_of(h), true, ActivationMode::kDynamic);
  if (!sum.exact())
    fail_value(op, "weight", "at most " + std::to_string(sum.limit) + " columns", std::to_string(h.k));
  return packed;
}

// [size][channels / 2] float32
at::Tensor as_table(const std::optional<at::Tensor>& table) {
  return table.has_value() ? table->to(at::kFloat).t().contiguous() : at::Tensor();
}

}  // namespace

Pair check_pair(std::string_view op, std::string_view argument, at::IntArrayRef values, int64_t least) {
  const bool fits = values.size() == 1 || values.size() == 2;
  if (!fits || *std::min_element(values.begin(), values.end()) < least) {
    fail_value(op, argument, "one number or two, " + std::to_string(least) + " or more", describe(values));
  }
  return {values.front(), values.back()};
}

at::Tensor conv_int8(std::string_view op, const ConvSchemaArgs& a) {
  const c10::SymDimVector sizes = check_args(op, a);
  const at::ScalarType dtype = a.dtype.value_or(a.x.scalar_type());
  if ((a.residual.has_value() && !is_kernel_map(a, *a.residual, sizes, false)) ||
      (a.low.has_value() && !is_kernel_map(a, *a.low, sizes, true)))
    return with_torchs_sums(op, a);
  if (a.x.is_meta() || a.weight.is_meta()) return empty_result(a, sizes, dtype);

  const KernelScope scope;
  const PackedBlock weight = open_matrix(op, a);
  const at::ScalarType stored = dtype == at::kHalf ? at::kFloat : dtype;
  const at::Tensor y = empty_result(a, sizes, stored);
  if (y.numel() == 0) return y.to(dtype);
  use_huge_pages(y);

  const at::Tensor x = as_map(a.x), bias = as_floats(a.bias);
  const at::Tensor residual = a.residual.has_value() ? as_map(*a.residual) : at::Tensor();
  const at::Tensor low = a.low.has_value() ? as_map(*a.low) : at::Tensor();
  const at::Tensor pos_x = as_table(a.pos_x), pos_y = as_table(a.pos_y);
  const cpu::PackedSections s = cpu::sections(weight.header);
  cpu::ConvInt8Job job;
  job.form = a.form;
  job.kernel_h = a.kernel[0], job.kernel_w = a.kernel[1];
  job.stride_h = a.stride[0], job.stride_w = a.stride[1];
  job.pad_h = a.padding[0], job.pad_w = a.padding[1];
  job.x = map_of(x);
  job.x_height = a.x_size.has_value() ? (*a.x_size)[0] : job.x.height;
  job.x_width = a.x_size.has_value() ? (*a.x_size)[1] : job.x.width;
  job.pos_x = data_or_null(pos_x), job.pos_y = data_or_null(pos_y);
  job.w = reinterpret_cast<const int8_t*>(weight.block + s.weight);
  job.w_scale = reinterpret_cast<const float*>(weight.block + s.scale);
  job.w_sum = reinterpret_cast<const int32_t*>(weight.block + s.sum);
  job.n = a.out_channels;
  job.bias = data_or_null(bias);
  if (residual.defined()) job.residual = map_of(residual);
  if (low.defined()) job.low = map_of(low);
  job.relu = a.relu;
  job.y = map_of(y);
  const cpu::ConvPlan plan = cpu::plan_conv(job, cpu::best_isa(), cpu::amx_use(), at::get_num_threads());
  at::parallel_for(0, plan.blocks, 1, [&](int64_t begin, int64_t end) {
    for (int64_t block = begin; block < end; ++block) cpu::conv_int8_block(job, plan, block);
  });
  return y.to(dtype);
}

}  // namespace vqt
