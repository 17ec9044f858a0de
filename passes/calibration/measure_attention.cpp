#include "passes/calibration/measure_attention.h"

#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

#include <map>
#include <memory>

#include "passes/calibration/call_op.h"
#include "passes/calibration/interleaved_times.h"
#include "passes/rewrite/weight_stats.h"

namespace vqt {
namespace {

using namespace torch::jit;

struct MeasuredCall {
  at::Tensor q, k, v;
  std::optional<double> scale;
  bool composed = false;
};

at::Tensor in_float(const MeasuredCall& call) {
  if (!call.composed)
    return at::scaled_dot_product_attention(call.q, call.k, call.v, {}, 0.0, false, call.scale);
  return at::matmul(
      at::softmax(at::matmul(at::mul(call.q, call.scale.value_or(1.0)), call.k.transpose(-2, -1)), -1),
      call.v);
}

MeasuredSite measure(const MeasuredCall& call, const at::Tensor& y) {
  const auto in_integers = [&] {
    return call_op("vqt::attention", {{"q", call.q}, {"k", call.k}, {"v", call.v}, {"scale", call.scale}});
  };
  MeasuredSite out;
  out.output_sqnr_db = sqnr_db(y, in_integers());
  const Times times = interleaved_times([&] { in_float(call); }, [&] { in_integers(); }, [] {}, now_ms);
  out.ms_float = times.first;
  out.ms_quantized = times.second;
  return out;
}

// The scale of a composed form, of which each factor is an input after q, k and v.
double product_of(const std::vector<ComposedAttention::Factor>& factors,
                  const std::vector<c10::IValue>& inputs) {
  double scale = 1.0;
  for (size_t i = 0; i < factors.size(); ++i) {
    const c10::IValue& value = inputs[3 + i];
    const double factor = value.isTensor() ? value.toTensor().item<double>() : value.toScalar().toDouble();
    scale = factors[i].divides ? scale / factor : scale * factor;
  }
  return scale;
}

}  // namespace

void watch_attention(WatchedModel& model, const std::vector<AttentionSite>& copies,
                     const std::vector<AttentionSite>& sites, const MeasuredOne& measured_one,
                     std::vector<MeasuredSite>& measured) {
  TORCH_INTERNAL_ASSERT(copies.size() == sites.size(), "the measured copy has other attentions");
  for (size_t i = 0; i < sites.size(); ++i) {
    if (!sites[i].problem.empty()) continue;
    const AttentionSite& site = copies[i];
    const bool composed = site.node->kind() != aten::scaled_dot_product_attention;
    std::vector<Value*> inputs = {site.composed.q, site.composed.k, site.composed.v};
    if (composed) {
      for (const auto& factor : site.composed.factors) inputs.push_back(factor.value);
    } else {
      inputs.insert(inputs.end(), {site.node->input(3), site.node->input(5), site.node->input(6)});
    }
    // Calls with the same sizes take the same time: they are measured once.
    const auto known = std::make_shared<std::map<std::vector<std::vector<int64_t>>, MeasuredSite>>();
    model.watch(
        site.node, inputs,
        [&, i, known, composed, factors = site.composed.factors, transposed = site.composed.k_transposed](
            const std::vector<c10::IValue>& values, const at::Tensor& y) {
          if (!composed && (!values[3].isNone() || values[4].toBool())) return;  // torch's op will run
          MeasuredCall call = {values[0].toTensor(), values[1].toTensor(), values[2].toTensor(), std::nullopt,
                               composed};
          if (transposed) call.k = call.k.transpose(-2, -1);
          if (call.q.is_nested() || y.numel() == 0) return;
          call.scale = composed ? product_of(factors, values) : values[5].toOptional<double>();
          const auto [at, first_of_size] =
              known->try_emplace({call.q.sizes().vec(), call.k.sizes().vec(), call.v.sizes().vec()});
          if (first_of_size) at->second = measure(call, y);
          MeasuredSite& sum = measured[i];
          if (known->size() == 1 && first_of_size) {
            sum = {at->second.output_sqnr_db, 0.0, 0.0};
            measured_one();
          }
          sum.ms_float += at->second.ms_float;
          sum.ms_quantized += at->second.ms_quantized;
        });
  }
}

}  // namespace vqt
