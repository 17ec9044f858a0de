#include "loader/quantize/verify.h"

#include <ATen/CPUGeneratorImpl.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <fmt/format.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <cmath>

#include "loader/cli/text_table.h"
#include "vqt/error.h"
#include "vqt/error_text.h"

namespace vqt::cli {
namespace {

// Profiling and fusing cost more than one forward pass.
struct PlainExecution {
  bool before = torch::jit::getGraphExecutorOptimize();
  PlainExecution() { torch::jit::setGraphExecutorOptimize(false); }
  ~PlainExecution() { torch::jit::setGraphExecutorOptimize(before); }
};

size_t required_arguments(const torch::jit::Module& model) {
  const auto& arguments = model.get_method("forward").function().getSchema().arguments();
  return static_cast<size_t>(
      std::count_if(arguments.begin() + 1, arguments.end(),
                    [](const c10::Argument& a) { return !a.default_value().has_value(); }));
}

}  // namespace

std::string needs_inputs(const std::string& why) {
  return fmt::format(
      "--verify: the model does not take the random input float32 [1, 2, 3, 392, 518]: {}; pass --inputs FILE "
      "with what its forward takes (torch.save of a tensor, or of a tuple of arguments)",
      why);
}

std::vector<c10::IValue> random_inputs(const torch::jit::Module& model) {
  const size_t required = required_arguments(model);
  if (required != 1) {
    throw Error(needs_inputs(fmt::format("its forward needs {} arguments", required)));
  }
  at::Generator generator = at::make_generator<at::CPUGeneratorImpl>(uint64_t{1});
  return {at::rand({1, 2, 3, 392, 518}, generator, at::TensorOptions().dtype(at::kFloat))};
}

NamedTensors run_forward(torch::jit::Module& model, const std::vector<c10::IValue>& arguments) {
  const at::NoGradGuard no_grad;
  const PlainExecution plain;
  try {
    return flatten_outputs(model.forward(arguments));
  } catch (const std::exception& e) {
    const std::string text = error_text(e);
    throw Error(text.substr(0, text.find('\n')));
  }
}

Verdict judge(const std::vector<Difference>& differences, double min_cosine) {
  Verdict verdict;
  std::vector<std::vector<std::string>> rows = {{"output", "MAE", "max error", "cosine", "SQNR dB"}};
  for (const Difference& d : differences) {
    if (d.problem.empty() || !d.finite) {
      rows.push_back({d.path, fmt::format("{:.3g}", d.mae), fmt::format("{:.3g}", d.max_error),
                      fmt::format("{:.6f}", d.cosine), fmt::format("{:.1f}", d.sqnr_db)});
    }
    if (!d.problem.empty()) {
      verdict.failures.push_back(fmt::format("{}: {}", d.path, d.problem));
    } else if (!(d.cosine >= min_cosine)) {
      verdict.failures.push_back(fmt::format("{}: cosine {:.6f} is below {}", d.path, d.cosine, min_cosine));
    }
  }
  verdict.table = text_table(rows, {kAnyWidth, 1});
  return verdict;
}

}  // namespace vqt::cli
