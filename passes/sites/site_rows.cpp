// SiteReport rows out of sites.
#include "passes/sites/site_rows.h"

#include <torch/csrc/jit/ir/constants.h>

#include <map>
#include <string>

#include "vqt/ops.h"

namespace vqt {
namespace {

using namespace torch::jit;

std::string dtype_name(at::ScalarType type) {
  switch (type) {
    case at::kFloat:
      return "float32";
    case at::kDouble:
      return "float64";
    case at::kHalf:
      return "float16";
    case at::kBFloat16:
      return "bfloat16";
    default:
      return c10::toString(type);
  }
}

const char* kind_of(const Site& site) {
  return site.info.kind == SiteKind::kConvolution ? "convolution" : "linear";
}

SiteReport float_row(const Site& site) {
  SiteReport row;
  row.name = site.info.name;
  row.kind = kind_of(site);
  row.n = site.info.n;
  row.k = site.info.k;
  row.action = "float";
  row.scheme = dtype_name(site.weight.scalar_type());
  row.reason = site.info.unsupported_reason;
  row.calls = site.info.calls;
  row.bytes_before = row.bytes_after = site.info.weight_bytes;
  return row;
}

ActivationMode activation_of(const Node* linear) {
  const FunctionSchema& schema = linear->schema();
  const auto index = schema.argumentIndexWithName("activation");
  const auto name = index ? constant_as<std::string>(linear->input(*index)) : std::nullopt;
  return name ? activation_mode_from(*name) : ActivationMode::kNone;
}

// [N, C * height * width] of a packed weight [16 N, C], [N, height * width * C] or [height * width * N, C].
void shape_of_convolution(const Node* node, SiteReport& row) {
  const auto input = [&](const char* name) {
    const auto index = node->schema().argumentIndexWithName(name);
    return index ? node->input(*index) : nullptr;
  };
  const auto kernel = constant_ints(input("kernel_size"));
  const auto channels = constant_as<int64_t>(input("out_channels"));
  if (!kernel || !channels) return;
  const Value* form = input("form");
  const bool windows = form != nullptr && constant_as<std::string>(form) == to_string(ConvForm::kWindows);
  row.n = *channels;
  row.k *= windows ? 1 : kernel->front() * kernel->back();
}

SiteReport quantized_row(const Site& site) {
  SiteReport row;
  row.name = site.info.name;
  row.kind = kind_of(site);
  row.action = "quantized";
  row.calls = site.info.calls;
  row.bytes_after = static_cast<int64_t>(site.weight.nbytes());
  const PackedInfo info = packed_info(site.weight);
  row.n = info.n;
  row.k = info.k;
  if (site.info.kind == SiteKind::kConvolution) shape_of_convolution(site.calls.front().linear, row);
  row.bytes_before = row.n * row.k * info.source_bytes;
  const ActivationMode activation = site.calls.empty() ? ActivationMode::kNone
                                    : site.info.kind == SiteKind::kConvolution
                                        ? ActivationMode::kDynamic
                                        : activation_of(site.calls.front().linear);
  row.scheme = shorthand(info.scheme, activation);
  return row;
}

void add_computed(const SiteTable& table, std::vector<SiteReport>& rows) {
  for (const ComputedLinear& computed : table.computed) {
    SiteReport row;
    row.name = computed.name;
    row.action = "float";
    row.scheme = "-";
    row.reason = computed.reason;
    rows.push_back(row);
  }
}

}  // namespace

std::vector<SiteReport> planned_rows(const SiteTable& table, const std::vector<PlannedSite>& plan,
                                     const std::string& device) {
  std::vector<SiteReport> rows;
  for (size_t i = 0; i < table.sites.size(); ++i) {
    SiteReport row = float_row(table.sites[i]);
    row.reason = plan[i].reason;
    if (!plan[i].keep_float) {
      row.action = "quantized";
      row.scheme = shorthand(plan[i].scheme, plan[i].activation);
      const SiteInfo& info = table.sites[i].info;
      const bool stored = info.kind == SiteKind::kConvolution;
      row.bytes_after = predicted_bytes(stored ? info.stored_n : info.n, stored ? info.stored_k : info.k,
                                        plan[i].scheme, device);
    }
    rows.push_back(row);
  }
  add_computed(table, rows);
  return rows;
}

void update_calls(const SiteTable& table, std::vector<SiteReport>& rows) {
  std::map<std::string, int64_t> calls;
  for (const Site& site : table.sites) calls[site.info.name] = site.info.calls;
  for (SiteReport& row : rows) {
    if (row.kind == "attention") continue;
    if (const auto found = calls.find(row.name); found != calls.end()) row.calls = found->second;
  }
}

std::vector<SiteReport> present_rows(const SiteTable& table) {
  std::vector<SiteReport> rows;
  for (const Site& site : table.sites) rows.push_back(site.quantized ? quantized_row(site) : float_row(site));
  add_computed(table, rows);
  return rows;
}

}  // namespace vqt
