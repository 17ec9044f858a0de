#include "passes/calibration/call_op.h"

#include <ATen/core/dispatch/Dispatcher.h>

#include <algorithm>
#include <chrono>

namespace vqt {

at::Tensor call_op(const std::string& op, const std::vector<std::pair<std::string, c10::IValue>>& arguments) {
  const c10::OperatorHandle handle = c10::Dispatcher::singleton().findSchemaOrThrow(op.c_str(), "");
  torch::jit::Stack stack;
  for (const c10::Argument& argument : handle.schema().arguments()) {
    const auto given = std::find_if(arguments.begin(), arguments.end(),
                                    [&](const auto& named) { return named.first == argument.name(); });
    stack.push_back(given != arguments.end() ? given->second
                                             : argument.default_value().value_or(c10::IValue()));
  }
  handle.callBoxed(stack);
  return stack.at(0).toTensor();
}

double now_ms() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace vqt
