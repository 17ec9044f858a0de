#include "passes/calibration/measure_linears.h"

#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>

#include <algorithm>
#include <memory>
#include <optional>

#include "passes/calibration/call_op.h"
#include "passes/calibration/interleaved_times.h"
#include "passes/rewrite/weight_stats.h"

namespace vqt {
namespace {

using namespace torch::jit;

struct MeasuredCall {
  at::Tensor x, rows_weight, whole_weight;
  std::optional<at::Tensor> bias;
  RowRange rows;
  std::optional<ConvShape> convolution;
};

at::Tensor in_float(const MeasuredCall& call) {
  if (!call.convolution) return at::linear(call.x, call.rows_weight, call.bias);
  const ConvShape& s = *call.convolution;
  return s.transposed
             ? at::conv_transpose2d(call.x, call.rows_weight, call.bias, s.stride, s.padding,
                                    s.output_padding, s.groups, s.dilation)
             : at::conv2d(call.x, call.rows_weight, call.bias, s.stride, s.padding, s.dilation, s.groups);
}

// In a forward pass every weight is read from memory, which takes most of the time with few rows.
constexpr int64_t kFewRows = 64, kLargeWeight = int64_t{1} << 20, kMoreThanCaches = int64_t{64} << 20;

bool needs_cold_weight(const at::Tensor& x, const at::Tensor& weight) {
  return x.numel() <= kFewRows * weight.size(1) && static_cast<int64_t>(weight.nbytes()) >= kLargeWeight;
}

// Output SQNR and the times of one call.
MeasuredSite measure(const MeasuredCall& call, const at::Tensor& y, const LinearPlans& plans, size_t i) {
  const Site& site = plans.table.sites[i];
  const PlannedSite& plan = plans.plan[i];
  const QuantizedWeight q = quantize_weight(call.whole_weight, site, plan.scheme, plans.layout);
  auto arguments = integer_arguments(site, plan, plans.ranges[i], call.rows);
  arguments.insert(arguments.end(), {{"x", call.x}, {"weight", q.packed}, {"bias", call.bias}});
  const std::string op = integer_op(site, plan.scheme);
  MeasuredSite out;
  out.output_sqnr_db = sqnr_db(y, call_op(op, arguments));
  at::Tensor other;
  if (needs_cold_weight(call.x, call.rows_weight)) other = at::ones({kMoreThanCaches}, at::kByte);
  const auto read_other = [&] {
    if (other.defined()) other.add_(1);
  };
  const Times times =
      interleaved_times([&] { in_float(call); }, [&] { call_op(op, arguments); }, read_other, now_ms);
  out.ms_float = times.first;
  out.ms_quantized = times.second;
  return out;
}

// What is known of one site. Calls with the same shapes take the same time: they are measured once.
struct MeasuredShapes {
  std::vector<int64_t> x_sizes;
  RowRange rows;
  MeasuredSite measured;
};

}  // namespace

void watch_linears(WatchedModel& model, const SiteTable& sites, const LinearPlans& plans,
                   const MeasuredOne& measured_one, std::vector<MeasuredSite>& measured) {
  TORCH_INTERNAL_ASSERT(sites.sites.size() == plans.table.sites.size(), "the measured copy has other sites");
  for (size_t i = 0; i < plans.plan.size(); ++i) {
    if (plans.plan[i].keep_float) continue;
    const auto known = std::make_shared<std::vector<MeasuredShapes>>();
    for (const SiteCall& site_call : sites.sites[i].calls) {
      Node* node = site_call.linear;
      model.watch(node, {node->input(0), node->input(1), node->input(2), site_call.root},
                  [&, i, known, rows = site_call.rows, convolution = sites.sites[i].convolution](
                      const std::vector<c10::IValue>& values, const at::Tensor& y) {
                    const MeasuredCall call = {values[0].toTensor(),
                                               values[1].toTensor(),
                                               values[3].toTensor(),
                                               values[2].toOptional<at::Tensor>(),
                                               rows,
                                               convolution};
                    if (call.x.is_nested() || call.x.numel() == 0) return;
                    auto found = std::find_if(known->begin(), known->end(), [&](const MeasuredShapes& k) {
                      return call.x.sizes() == k.x_sizes && k.rows.begin == rows.begin &&
                             k.rows.end == rows.end;
                    });
                    MeasuredSite& sum = measured[i];
                    if (found == known->end()) {
                      known->push_back({call.x.sizes().vec(), rows, measure(call, y, plans, i)});
                      found = std::prev(known->end());
                      if (known->size() == 1) {
                        sum = {found->measured.output_sqnr_db, 0.0, 0.0};
                        measured_one();
                      }
                    }
                    sum.ms_float += found->measured.ms_float;
                    sum.ms_quantized += found->measured.ms_quantized;
                  });
    }
  }
}

}  // namespace vqt
