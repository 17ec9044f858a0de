// The copy calls vqt_internal::measure_linear in place of aten::linear, and measure_convolution in place of
// convolutions: they return the same, and pass their arguments to the recorder of this thread. No graph outside of
// this file has them.
#include "passes/calibration/measure_linears.h"

#include <ATen/core/dispatch/Dispatcher.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/conv2d.h>
#include <ATen/ops/conv_transpose2d.h>
#include <ATen/ops/linear.h>
#include <ATen/ops/ones.h>
#include <torch/library.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <optional>

#include "passes/calibration/interleaved_times.h"
#include "passes/ir/clone_module.h"
#include "passes/rewrite/weight_stats.h"
#include "vqt/error_text.h"

namespace vqt {
namespace {

using namespace torch::jit;

struct MeasuredCall {
  at::Tensor x, rows_weight, whole_weight;
  std::optional<at::Tensor> bias;
  int64_t site, row_begin, row_end;
  std::function<at::Tensor()> run_float;
};
// The interpreter runs a forward pass on the thread that calls it.
thread_local std::function<void(const MeasuredCall&, const at::Tensor& y)>* recorder = nullptr;

at::Tensor measure_linear(const at::Tensor& x, const at::Tensor& rows_weight,
                          const std::optional<at::Tensor>& bias, const at::Tensor& whole_weight, int64_t site,
                          int64_t row_begin, int64_t row_end) {
  const auto run = [&] { return at::linear(x, rows_weight, bias); };
  const at::Tensor y = run();
  if (recorder != nullptr)
    (*recorder)({x, rows_weight, whole_weight, bias, site, row_begin, row_end, run}, y);
  return y;
}

at::Tensor measure_convolution(const at::Tensor& x, const at::Tensor& weight,
                               const std::optional<at::Tensor>& bias, at::IntArrayRef stride,
                               at::IntArrayRef padding, at::IntArrayRef dilation, bool transposed,
                               at::IntArrayRef output_padding, int64_t groups, int64_t site) {
  const auto run = [&] {
    return transposed
               ? at::conv_transpose2d(x, weight, bias, stride, padding, output_padding, groups, dilation)
               : at::conv2d(x, weight, bias, stride, padding, dilation, groups);
  };
  const at::Tensor y = run();
  if (recorder != nullptr) (*recorder)({x, weight, weight, bias, site, 0, 0, run}, y);
  return y;
}

TORCH_LIBRARY(vqt_internal, m) {
  m.def(
      "measure_linear(Tensor x, Tensor rows_weight, Tensor? bias, Tensor whole_weight, int site, int "
      "row_begin, "
      "int row_end) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, &measure_linear));
  m.def(
      "measure_convolution(Tensor x, Tensor weight, Tensor? bias, int[] stride, int[] padding, int[] dilation, "
      "bool transposed, int[] output_padding, int groups, int site) -> Tensor",
      torch::dispatch(c10::DispatchKey::CompositeExplicitAutograd, &measure_convolution));
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// In a forward pass every weight is read from memory, which takes most of the time with few rows.
constexpr int64_t kFewRows = 64, kLargeWeight = int64_t{1} << 20, kMoreThanCaches = int64_t{64} << 20;

bool needs_cold_weight(const at::Tensor& x, const at::Tensor& weight) {
  return x.numel() <= kFewRows * weight.size(1) && static_cast<int64_t>(weight.nbytes()) >= kLargeWeight;
}

// Calls linear_int8, conv2d_int8 and the like with arguments by name, defaults filled in.
at::Tensor call_integer(const std::string& op, const MeasuredCall& call, const at::Tensor& packed,
                        const std::vector<std::pair<std::string, c10::IValue>>& arguments) {
  const c10::OperatorHandle handle = c10::Dispatcher::singleton().findSchemaOrThrow(op.c_str(), "");
  torch::jit::Stack stack;
  for (const c10::Argument& argument : handle.schema().arguments()) {
    const auto given = std::find_if(arguments.begin(), arguments.end(),
                                    [&](const auto& named) { return named.first == argument.name(); });
    if (argument.name() == "x") {
      stack.emplace_back(call.x);
    } else if (argument.name() == "weight") {
      stack.emplace_back(packed);
    } else if (argument.name() == "bias") {
      stack.emplace_back(call.bias ? c10::IValue(*call.bias) : c10::IValue());
    } else {
      stack.push_back(given != arguments.end() ? given->second
                                               : argument.default_value().value_or(c10::IValue()));
    }
  }
  handle.callBoxed(stack);
  return stack.at(0).toTensor();
}

// Output SQNR and the times of one call.
MeasuredSite measure(const MeasuredCall& call, const at::Tensor& y, const PlannedSite& plan,
                     const ActivationRange& range, const std::string& layout, const Site& site) {
  const QuantizedWeight q = quantize_weight(call.whole_weight, site, plan.scheme, layout);
  const auto arguments = integer_arguments(site, plan, range, {call.row_begin, call.row_end});
  const std::string op = integer_op(site, plan.scheme);
  MeasuredSite out;
  out.output_sqnr_db = sqnr_db(y, call_integer(op, call, q.packed, arguments));
  at::Tensor other;
  if (needs_cold_weight(call.x, call.rows_weight)) other = at::ones({kMoreThanCaches}, at::kByte);
  const Times times =
      interleaved_times([&] { call.run_float(); }, [&] { call_integer(op, call, q.packed, arguments); },
                        [&] {
                          if (other.defined()) other.add_(1);
                        },
                        now_ms);
  out.ms_float = times.first;
  out.ms_quantized = times.second;
  return out;
}

void replace(Node* node, Value* by) {
  by->copyMetadata(node->output());
  node->output()->replaceAllUsesWith(by);
  node->destroy();
}

void instrument(const SiteCall& call, int64_t site, const std::optional<ConvShape>& convolution) {
  Node* node = call.linear;
  Graph& graph = *node->owningGraph();
  const WithInsertPoint guard(node);
  static const Symbol kLinear = Symbol::fromQualString("vqt_internal::measure_linear");
  static const Symbol kConvolution = Symbol::fromQualString("vqt_internal::measure_convolution");
  Value *x = node->input(0), *weight = node->input(1), *bias = node->input(2);
  if (!convolution)
    return replace(node,
                   graph.insert(kLinear, {x, weight, bias, call.root, site, call.rows.begin, call.rows.end}));
  const ConvShape& s = *convolution;
  const auto pair = [&](const std::array<int64_t, 2>& values) {
    return graph.insertConstant(std::vector<int64_t>(values.begin(), values.end()));
  };
  replace(node,
          graph.insert(kConvolution, {x, weight, bias, pair(s.stride), pair(s.padding), pair(s.dilation),
                                      s.transposed, pair(s.output_padding), s.groups, site}));
}

}  // namespace

std::vector<MeasuredSite> measure_linears(const Module& model, const SiteTable& table,
                                          const std::vector<PlannedSite>& plan,
                                          const std::vector<ActivationRange>& ranges,
                                          const std::string& layout, const QuantizeOptions& options) {
  std::vector<MeasuredSite> measured(plan.size());
  std::vector<c10::IValue> arguments;
  if (!options.measure || !options.measure(arguments)) return measured;
  Module copy = clone_with_own_types(model);
  const ModelGraphs graphs(copy);
  const SiteTable sites = find_sites(graphs);
  TORCH_INTERNAL_ASSERT(sites.sites.size() == table.sites.size(), "the measured copy has other sites");
  int64_t total = 0, done = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].keep_float) continue;
    ++total;
    for (const SiteCall& call : sites.sites[i].calls)
      instrument(call, static_cast<int64_t>(i), sites.sites[i].convolution);
  }
  // Calls of one site with the same shapes take the same time: they are measured once.
  using Shape = std::pair<std::vector<int64_t>, RowRange>;
  std::vector<std::vector<std::pair<Shape, MeasuredSite>>> known(plan.size());
  std::function<void(const MeasuredCall&, const at::Tensor&)> record = [&](const MeasuredCall& call,
                                                                           const at::Tensor& y) {
    if (call.x.is_nested() || call.x.numel() == 0) return;
    const RowRange rows = {call.row_begin, call.row_end};
    auto& of_site = known[call.site];
    auto found = std::find_if(of_site.begin(), of_site.end(), [&](const auto& entry) {
      return call.x.sizes() == entry.first.first && entry.first.second.begin == rows.begin &&
             entry.first.second.end == rows.end;
    });
    MeasuredSite& sum = measured[call.site];
    if (found == of_site.end()) {
      of_site.emplace_back(
          Shape(call.x.sizes().vec(), rows),
          measure(call, y, plan[call.site], ranges[call.site], layout, table.sites[call.site]));
      found = std::prev(of_site.end());
      if (of_site.size() == 1) {
        sum = {found->second.output_sqnr_db, 0.0, 0.0};
        if (options.progress) options.progress("measuring", ++done, total);
      }
    }
    sum.ms_float += found->second.ms_float;
    sum.ms_quantized += found->second.ms_quantized;
  };
  struct Guard {
    explicit Guard(std::function<void(const MeasuredCall&, const at::Tensor&)>* r) { recorder = r; }
    ~Guard() { recorder = nullptr; }
  } guard(&record);
  const at::NoGradGuard no_grad;
  try {
    copy.forward(std::move(arguments));
  } catch (const std::exception& e) {
    throw Error("vqt::quantize: inputs: the model's forward fails on them: " + error_text(e));
  }
  return measured;
}

void add_measured(const std::vector<MeasuredSite>& measured, std::vector<SiteReport>& rows) {
  for (size_t i = 0; i < measured.size(); ++i) {
    rows[i].output_sqnr_db = measured[i].output_sqnr_db;
    rows[i].ms_float = measured[i].ms_float;
    rows[i].ms_quantized = measured[i].ms_quantized;
  }
}

}  // namespace vqt
