// Canonical to packed weights and back. A packed weight is one self-describing uint8 tensor [N, bytes per
// row] that any machine can read.
#include "ops/pack_weight.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/library.h>

#include <cstddef>
#include <cstring>
#include <vector>

#include "ops/check.h"
#include "ops/kernel_scope.h"
#include "ops/parallel.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

struct Sizes {
  int64_t n, k;
};

// Checks everything but the values of scale and zero_point. Sizes of a weight are never symbolic: the size of
// a packed block depends on each of them.
Sizes check_weight(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                   const Scheme& scheme, int64_t k) {
  constexpr std::string_view kOp = "pack_weight";
  check_tensor(kOp, "weight", weight, canonical_dtype(scheme), 2,
               scheme.bits == 4 ? "[N, ceil(K/2)]" : "[N, K]");
  const int64_t n = weight.sym_size(0).guard_int(__FILE__, __LINE__);
  const int64_t columns = weight.sym_size(1).guard_int(__FILE__, __LINE__);
  const int64_t whole = scheme.bits == 4 ? 2 * columns : columns;
  if (k == -1) k = whole;
  if (k != whole && !(scheme.bits == 4 && k == whole - 1)) {
    fail_value(
        kOp, "k",
        scheme.bits == 4 ? std::to_string(whole - 1) + " or " + std::to_string(whole) : std::to_string(whole),
        std::to_string(k));
  }
  if (n < 1 || k < 1) fail_value(kOp, "weight", "at least one row and column", describe(weight));
  check_scales(kOp, scale, zero_point, scale_count(n, k, scheme));
  return {n, k};
}

cpu::Layout choose_layout(std::string_view layout, int64_t k, const Scheme& scheme) {
  constexpr std::string_view kOp = "pack_weight";
  if (layout == "canonical") return cpu::Layout::kCanonical;
  const cpu::Layout fast = cpu::fast_layout(k, scheme);
  if (layout == "auto") return fast;
  if (layout == "cuda") {
    const cpu::Layout tiles = cpu::cuda_layout(k, scheme);
    if (tiles != cpu::Layout::kCanonical) return tiles;
    fail_value(kOp, "layout",
               "canonical or auto, as the CUDA kernels have tiles for 8 bits per channel or per tensor alone",
               "\"cuda\"");
  }
  if (layout != "cpu") fail_value(kOp, "layout", "auto, cpu, cuda or canonical", quoted(layout));
  if (fast != cpu::Layout::kCanonical) return fast;
  fail_value(kOp, "layout",
             "canonical or auto, as the CPU's kernels have no panels for " +
                 std::string(scheme.bits == 16  ? "16 bits"
                             : scheme.bits == 8 ? "groups of 8 bits"
                                                : "groups of " + std::to_string(scheme.group_size) +
                                                      ", which is no multiple of 8"),
             "\"cpu\"");
}

int64_t bytes_per_row(const cpu::PackedHeader& h) { return (h.bytes + h.n - 1) / h.n; }

at::Tensor pack_weight_meta(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                            int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                            int64_t k, std::string_view layout) {
  const Scheme scheme = check_scheme("pack_weight", bits, symmetric, granularity, group_size);
  const Sizes s = check_weight(weight, scale, zero_point, scheme, k);
  const cpu::PackedHeader header = cpu::make_header(s.n, s.k, scheme, choose_layout(layout, s.k, scheme));
  return at::empty({s.n, bytes_per_row(header)}, weight.options().dtype(at::kByte));
}

at::Tensor pack_weight_cpu(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                           int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                           int64_t k, std::string_view layout) {
  const KernelScope scope;
  const Scheme scheme = check_scheme("pack_weight", bits, symmetric, granularity, group_size);
  const Sizes s = check_weight(weight, scale, zero_point, scheme, k);
  check_scale_values("pack_weight", scale, zero_point, scheme);
  const cpu::PackedHeader header = cpu::make_header(s.n, s.k, scheme, choose_layout(layout, s.k, scheme));
  const at::Tensor packed = at::empty({s.n, bytes_per_row(header)}, weight.options().dtype(at::kByte));
  const at::Tensor values = weight.contiguous(), scales = scale.contiguous(), zeros = zero_point.contiguous();
  const void* canonical = values.const_data_ptr();
  const float* scale_data = scales.const_data_ptr<float>();
  const int32_t* zero_data = zeros.const_data_ptr<int32_t>();
  uint8_t* block = packed.mutable_data_ptr<uint8_t>();
  std::memset(block + header.bytes, 0, packed.numel() - header.bytes);
  cpu::pack_head(header, scale_data, zero_data, block);
  const int64_t panels = (s.n + cpu::kPanel - 1) / cpu::kPanel;
  at::parallel_for(0, panels, 4, [&](int64_t begin, int64_t end) {
    cpu::pack_panels(header, canonical, scale_data, zero_data, begin, end, block);
  });
  return packed;
}

using Unpacked = std::tuple<at::Tensor, at::Tensor, at::Tensor>;

Unpacked empty_canonical(const at::Tensor& packed, const c10::SymInt& n, int64_t k, const Scheme& scheme) {
  const c10::SymInt scales = scale_count(n, c10::SymInt(k), scheme);
  const at::TensorOptions options = packed.options();
  return {at::empty_symint({n, scheme.bits == 4 ? (k + 1) / 2 : k}, options.dtype(canonical_dtype(scheme))),
          at::empty_symint({scales}, options.dtype(at::kFloat)),
          at::empty_symint({scales}, options.dtype(at::kInt))};
}

Scheme check_unpack(int64_t k, int64_t bits, bool symmetric, std::string_view granularity,
                    int64_t group_size) {
  if (k < 1) fail_value("unpack_weight", "k", "1 or more", std::to_string(k));
  return check_scheme("unpack_weight", bits, symmetric, granularity, group_size);
}

Unpacked unpack_weight_meta(const at::Tensor& packed, int64_t k, int64_t bits, bool symmetric,
                            std::string_view granularity, int64_t group_size) {
  const Scheme scheme = check_unpack(k, bits, symmetric, granularity, group_size);
  check_tensor("unpack_weight", "packed", packed, at::kByte, 2, "[N, bytes a row]");
  return empty_canonical(packed, packed.sym_size(0), k, scheme);
}

std::string describe_packed(int64_t k, const Scheme& scheme) {
  return std::to_string(scheme.bits) + " bits " + (scheme.symmetric ? "symmetric " : "asymmetric ") +
         to_string(scheme.granularity) +
         (scheme.granularity == Granularity::kGroup ? " of " + std::to_string(scheme.group_size) : "") +
         " with " + std::to_string(k) + " columns";
}

Unpacked unpack_weight_cpu(const at::Tensor& packed, int64_t k, int64_t bits, bool symmetric,
                           std::string_view granularity, int64_t group_size) {
  const KernelScope scope;
  Scheme scheme = check_unpack(k, bits, symmetric, granularity, group_size);
  if (scheme.group_size == k) scheme.group_size = -1;
  const PackedBlock source = open_packed("unpack_weight", "packed", packed);
  if (cpu::groups_cross_rows(source.header)) {
    fail_value(
        "unpack_weight", "packed", "a weight whose groups begin with a row",
        "one of an earlier version of vqt, whose groups run on from row to row; quantize the model again");
  }
  const Scheme stored = cpu::scheme_of(source.header);
  if (!(stored == scheme) || source.header.k != k) {
    fail_value("unpack_weight", "packed", "a weight of " + describe_packed(k, scheme),
               "one of " + describe_packed(source.header.k, stored));
  }
  const Unpacked out = empty_canonical(packed, source.header.n, k, scheme);
  cpu::unpack(source.block, std::get<0>(out).mutable_data_ptr(), std::get<1>(out).mutable_data_ptr<float>(),
              std::get<2>(out).mutable_data_ptr<int32_t>());
  return out;
}

// A weight in the CUDA kernels' layout, packed again for the CPU's: in every call, so the user should hear of it.
PackedBlock repacked_for_cpu(const PackedBlock& source) {
  TORCH_WARN_ONCE(
      "vqt: a weight that was packed for CUDA is packed again for the CPU in every call, which is slow; "
      "vqt.repack(model), or vqt-quantize --repack, lays a model's weights out for this machine");
  const cpu::PackedHeader& h = source.header;
  const cpu::PackedSections s = cpu::sections(h);
  std::vector<uint8_t> canonical(cpu::canonical_bytes(h.n, h.k, h.bits));
  std::vector<float> scale(s.scales);
  std::vector<int32_t> zero(s.scales);
  cpu::unpack(source.block, canonical.data(), scale.data(), zero.data());
  const Scheme scheme = cpu::scheme_of(h);
  PackedBlock result;
  result.header = cpu::make_header(h.n, h.k, scheme, cpu::fast_layout(h.k, scheme));
  result.bytes = at::empty({result.header.bytes}, source.bytes.options());
  cpu::pack(result.header, canonical.data(), scale.data(), zero.data(),
            result.bytes.mutable_data_ptr<uint8_t>());
  result.block = result.bytes.const_data_ptr<uint8_t>();
  return result;
}

}  // namespace

at::Tensor zeros_unless_given(const std::optional<at::Tensor>& zero_point, const at::Tensor& scale) {
  return zero_point.has_value() ? *zero_point : at::zeros(scale.sizes(), scale.options().dtype(at::kInt));
}

PackedBlock open_packed(std::string_view op, std::string_view argument, const at::Tensor& packed) {
  const std::string expected = "a packed weight (uint8 [N, bytes a row], made by vqt::pack_weight)";
  if (packed.scalar_type() != at::kByte) fail_type(op, argument, expected, describe(packed));
  const auto fail = [&](const std::string& why) {
    fail_value(op, argument, expected, describe(packed) + ": " + why);
  };
  if (packed.dim() != 2 || packed.numel() < static_cast<int64_t>(sizeof(cpu::PackedHeader)))
    fail("too small");
  if (!packed.is_cpu()) fail("not on the CPU");
  PackedBlock result;
  result.bytes = packed.contiguous();
  result.block = result.bytes.const_data_ptr<uint8_t>();
  std::memcpy(&result.header, result.block, sizeof result.header);
  if (const char* what = cpu::check_header(result.header, result.bytes.numel())) fail(what);
  if (packed.size(0) != result.header.n) fail("its header says " + std::to_string(result.header.n) + " rows");
  return result;
}

PackedBlock open_aligned(std::string_view op, std::string_view argument, const at::Tensor& packed) {
  PackedBlock result = open_packed(op, argument, packed);
  if (cpu::is_for_cuda(result.header.layout)) return repacked_for_cpu(result);
  if (reinterpret_cast<uintptr_t>(result.block) % alignof(float) != 0) {
    result.bytes = result.bytes.clone();
    result.block = result.bytes.const_data_ptr<uint8_t>();
  }
  return result;
}

PackedInfo packed_info(const at::Tensor& packed) {
  const cpu::PackedHeader header = open_packed("packed_info", "packed", packed).header;
  return {header.n,
          header.k,
          cpu::scheme_of(header),
          header.layout == cpu::Layout::kCanonical ? "canonical"
          : cpu::is_for_cuda(header.layout)        ? "cuda"
                                                   : "cpu",
          header.reserved[0] == 0 ? 4 : header.reserved[0],
          cpu::groups_cross_rows(header)};
}

void set_source_bytes(const at::Tensor& packed, int64_t source_bytes) {
  open_packed("set_source_bytes", "packed", packed);
  TORCH_CHECK(packed.is_contiguous() && source_bytes >= 1 && source_bytes <= 8,
              "vqt::set_source_bytes: expected a contiguous packed weight and 1 to 8 bytes, got ",
              source_bytes);
  // In the first reserved byte of the header; 0 for 4, so that weights of float32 models do not change.
  packed.mutable_data_ptr<uint8_t>()[offsetof(cpu::PackedHeader, reserved)] =
      source_bytes == 4 ? 0 : static_cast<uint8_t>(source_bytes);
}

at::Tensor pack_weight(const at::Tensor& weight, const at::Tensor& scale, const at::Tensor& zero_point,
                       int64_t bits, bool symmetric, std::string_view granularity, int64_t group_size,
                       int64_t k, std::string_view layout) {
  static const auto op =
      c10::Dispatcher::singleton().findSchemaOrThrow("vqt::pack_weight", "").typed<decltype(pack_weight)>();
  return op.call(weight, scale, zero_point, bits, symmetric, granularity, group_size, k, layout);
}

Unpacked unpack_weight(const at::Tensor& packed, int64_t k, int64_t bits, bool symmetric,
                       std::string_view granularity, int64_t group_size) {
  static const auto op = c10::Dispatcher::singleton()
                             .findSchemaOrThrow("vqt::unpack_weight", "")
                             .typed<decltype(unpack_weight)>();
  return op.call(packed, k, bits, symmetric, granularity, group_size);
}

TORCH_LIBRARY_IMPL(vqt, Meta, m) {
  m.impl("pack_weight", &pack_weight_meta);
  m.impl("unpack_weight", &unpack_weight_meta);
}

TORCH_LIBRARY_IMPL(vqt, CPU, m) {
  m.impl("pack_weight", &pack_weight_cpu);
  m.impl("unpack_weight", &unpack_weight_cpu);
}

}  // namespace vqt
