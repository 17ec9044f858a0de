#include "loader/forecast/op_totals.h"

#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string_view>

namespace vqt {
namespace {

using Clock = std::chrono::steady_clock;

thread_local OpTotals* recorded = nullptr;
thread_local int depth = 0;  // of operators that call operators

bool is_tensor(const c10::IValue& value) { return value.isTensor() && value.toTensor().defined(); }

struct Call : at::ObserverContext {
  double work = 0;        // of attention, which what it writes does not say
  double per_result = 1;  // multiply-adds
  Clock::time_point begin;
};

// torch shows the interpreter's whole stack; an operator's values are on its top.
template <class Values>
c10::ArrayRef<const c10::IValue> top(const Values& values, size_t count) {
  count = std::min(count, values.size());
  return c10::ArrayRef<const c10::IValue>(values.data() + (values.size() - count), count);
}

void note_products(const at::RecordFunction& op, Call& call) {
  const std::string_view name = op.name();
  const auto inputs = top(op.inputs(), op.num_inputs());
  const auto contains = [&](const char* part) { return name.find(part) != std::string_view::npos; };
  if (contains("attention") && inputs.size() > 1 && is_tensor(inputs[0]) && is_tensor(inputs[1])) {
    const at::Tensor& k = inputs[1].toTensor();
    if (k.dim() >= 2)
      call.work = static_cast<double>(inputs[0].toTensor().numel()) * static_cast<double>(k.size(-2));
    return;
  }
  const size_t left = contains("addmm") || contains("baddbmm") ? 1 : 0;
  const bool product = contains("matmul") || contains("mm");
  if (product && inputs.size() > left && is_tensor(inputs[left]) && inputs[left].toTensor().dim() > 0)
    call.per_result = static_cast<double>(inputs[left].toTensor().size(-1));
}

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& op) {
  if (depth++ > 0) return nullptr;
  auto call = std::make_unique<Call>();
  note_products(op, *call);
  call->begin = Clock::now();
  return call;
}

double elements(const c10::IValue& value) {
  if (is_tensor(value)) return static_cast<double>(value.toTensor().numel());
  double sum = 0;
  if (value.isTensorList()) {
    for (const at::Tensor& t : value.toTensorVector()) sum += static_cast<double>(t.numel());
  }
  return sum;
}

void end(const at::RecordFunction& op, at::ObserverContext* context) {
  if (--depth > 0 || context == nullptr || recorded == nullptr) return;
  const auto* call = static_cast<const Call*>(context);
  OpTotal& total = (*recorded)[op.name()];
  total.seconds += std::chrono::duration<double>(Clock::now() - call->begin).count();
  double written = 0;
  for (const c10::IValue& output : top(op.outputs(), op.num_outputs())) written += elements(output);
  total.work += call->work > 0 ? call->work : written * call->per_result;
}

}  // namespace

OpRecorder::OpRecorder(OpTotals& totals) {
  recorded = &totals;
  depth = 0;
  handle_ = at::addThreadLocalCallback(at::RecordFunctionCallback(begin, end)
                                           .needsInputs(true)
                                           .needsOutputs(true)
                                           .scopes({at::RecordScope::FUNCTION}));
}

OpRecorder::~OpRecorder() {
  at::removeCallback(handle_);
  recorded = nullptr;
}

}  // namespace vqt
