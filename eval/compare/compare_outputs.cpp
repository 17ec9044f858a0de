#include "eval/compare/compare_outputs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "loader/cli/interrupts.h"
#include "vqt/error.h"

namespace vqt {
namespace {

std::string shape_text(const std::vector<int64_t>& shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

at::Tensor values_of(const at::Tensor& t) { return t.to(at::kDouble).contiguous(); }

// The finite values of an output, a piece at a time.
struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -low;
  void add(const double* v, int64_t n) {
    for (; n > 0; ++v, --n) {
      if (!std::isfinite(*v)) continue;
      low = std::min(low, *v);
      high = std::max(high, *v);
    }
  }
  OutputInfo of(const JoinedOutput& o) const {
    return {o.path, o.shape, low > high ? 0 : low, low > high ? 0 : high};
  }
};

const JoinedOutput* find(const std::vector<JoinedOutput>& outputs, const std::string& path) {
  const auto found =
      std::find_if(outputs.begin(), outputs.end(), [&](const JoinedOutput& o) { return o.path == path; });
  return found == outputs.end() ? nullptr : &*found;
}

void check_same_outputs(const Outputs& reference, const Outputs& got, const std::string& model) {
  const auto& expected = reference.file.passes();
  const bool same =
      std::equal(expected.begin(), expected.end(), got.file.passes().begin(), got.file.passes().end(),
                 [](const auto& a, const auto& b) { return a.count == b.count; });
  if (!same) throw Error(fmt::format("{}: not split into the same forward passes as the reference", model));
  for (const JoinedOutput& output : got.joined) {
    if (!find(reference.joined, output.path)) {
      throw Error(
          fmt::format("{}: returns an output {} that the reference does not have; the reference returns {}",
                      model, output.path, names_of(reference.joined)));
    }
  }
  for (const JoinedOutput& expected : reference.joined) {
    const JoinedOutput* output = find(got.joined, expected.path);
    if (!output) {
      throw Error(fmt::format("{}: does not return the output {} that the reference has; it returns {}",
                              model, expected.path, names_of(got.joined)));
    }
    if (output->shape != expected.shape) {
      throw Error(fmt::format("{}: output {}: expected {} as the reference returns, got {}", model,
                              expected.path, shape_text(expected.shape), shape_text(output->shape)));
    }
  }
}

}  // namespace

std::string names_of(const std::vector<JoinedOutput>& outputs) {
  std::vector<std::string> names;
  for (const JoinedOutput& output : outputs) names.push_back(output.path);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::vector<OutputInfo> describe_outputs(const Outputs& outputs) {
  std::vector<OutputInfo> infos;
  for (const JoinedOutput& output : outputs.joined) {
    Range range;
    for (const ForwardOutputs& f : outputs.file.passes()) {
      const at::Tensor values = values_of(outputs.file.read(*f.find(output.path)));
      range.add(values.data_ptr<double>(), values.numel());
    }
    infos.push_back(range.of(output));
  }
  return infos;
}

// One output of one forward pass at a time is in memory.
void compare_outputs(const Outputs& reference, const Outputs& got, ModelResult& model) {
  check_same_outputs(reference, got, model.name);
  for (const JoinedOutput& output : reference.joined) {
    Comparison comparison;
    for (size_t k = 0; k < reference.file.passes().size(); ++k) {
      cli::throw_if_interrupted();
      const at::Tensor r = values_of(reference.file.read(*reference.file.passes()[k].find(output.path)));
      const at::Tensor c = values_of(got.file.read(*got.file.passes()[k].find(output.path)));
      comparison.add(r.data_ptr<double>(), c.data_ptr<double>(), r.numel());
    }
    const Metrics m = comparison.result();
    model.outputs.emplace_back(output.path, m);
    if (m.nonfinite > 0 || m.nonfinite_in_reference > 0) {
      model.notes.push_back(
          fmt::format("output {}: {} values are NaN or Inf ({} in the reference); metrics leave them out",
                      output.path, m.nonfinite, m.nonfinite_in_reference));
    }
  }
}

}  // namespace vqt
