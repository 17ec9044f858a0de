#include "loader/forecast/forecast.h"

#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/rand.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/csrc/jit/runtime/graph_executor.h>

#include <algorithm>
#include <chrono>
#include <functional>

#include "loader/forecast/meta_model.h"
#include "loader/forecast/with_shared_weights.h"
#include "vqt/error_text.h"
#include "vqt/peak_memory.h"

namespace vqt {
namespace {

constexpr double kLongForward = 10;       // seconds from which one forward pass is measurement enough
constexpr int64_t kMostFrames = 1 << 14;  // that a limit of memory is answered with

struct Measured {
  OpTotals ops;
  double seconds = 0;
  int64_t bytes = 0;  // above what the process had before
};

Measured run_once(torch::jit::Module& model, const at::Tensor& input) {
  Measured run;
  const auto begin = std::chrono::steady_clock::now();
  {
    const OpRecorder recorder(run.ops);
    model.forward({input});
  }
  run.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return run;
}

Measured measure(torch::jit::Module& model, const std::vector<int64_t>& sizes) {
  const at::NoGradGuard no_grad;
  const bool optimize = torch::jit::getGraphExecutorOptimize();
  torch::jit::setGraphExecutorOptimize(false);  // profiling and compiling are no part of a forward pass
  const int64_t before = resident_memory_bytes();
  const bool reset = reset_peak_memory();
  const at::Tensor input = at::rand(sizes, at::TensorOptions(at::kFloat));
  Measured best = run_once(model, input);
  if (best.seconds < kLongForward) {
    Measured again = run_once(model, input);
    if (again.seconds < best.seconds) best = std::move(again);
  }
  best.bytes = reset ? std::max<int64_t>(0, peak_memory_bytes() - before) : 0;
  torch::jit::setGraphExecutorOptimize(optimize);
  return best;
}

// An operator takes longer as its work grows; what is not an operator's takes what it took.
double scaled_seconds(const Measured& measured, const OpTotals& ops) {
  double seconds = measured.seconds;
  for (const auto& [name, then] : measured.ops) {
    const auto now = ops.find(name);
    if (now == ops.end() || then.work <= 0) continue;
    seconds += then.seconds * (now->second.work / then.work - 1);
  }
  return seconds;
}

// The largest n of [0, kMostFrames] with peak(n) <= bytes; peak grows with n.
int64_t largest_within(int64_t bytes, const std::function<int64_t(int64_t)>& peak) {
  int64_t fits = 0, fails = 1;
  while (fails <= kMostFrames && peak(fails) <= bytes) fits = fails, fails *= 2;
  while (fails - fits > 1) {
    const int64_t middle = fits + (fails - fits) / 2;
    (peak(middle) <= bytes ? fits : fails) = middle;
  }
  return std::min(fits, kMostFrames);
}

class Forecaster {
 public:
  Forecaster(torch::jit::Module& model, const ForecastRequest& request, const Progress& progress)
      : model_(model), request_(request), progress_(progress), meta_(model) {
    choose_layout();
  }

  Forecast run() {
    const int64_t total = static_cast<int64_t>(request_.configs.size()) + 1;
    const auto step = [&](int64_t done) {
      if (progress_) progress_("measuring", done, total);
    };
    Forecast result{layout_, request_.height, request_.width, request_.max_memory, at::get_num_threads(), {}};
    step(0);
    const int64_t before = resident_memory_bytes();
    const Measured measured = measure(model_, sizes(1));
    beside_ = std::max<int64_t>(0, before - meta_.weight_bytes()) +
              std::max<int64_t>(0, measured.bytes - meta_.forward(sizes(1)).bytes);
    result.models.push_back(of(request_.name, meta_, measured));
    for (size_t i = 0; i < request_.configs.size(); ++i) {
      step(static_cast<int64_t>(i) + 1);
      result.models.push_back(of_config(request_.configs[i].first, request_.configs[i].second));
    }
    step(total);
    return result;
  }

 private:
  std::vector<int64_t> sizes(int64_t frames) const {
    return input_sizes(layout_, frames, request_.height, request_.width);
  }

  void choose_layout() {
    std::string why;
    for (const InputLayout layout : request_.layouts) {
      layout_ = layout;
      try {
        meta_.forward(sizes(1));
        return;
      } catch (const Error& e) {
        why += fmt::format("\n  float32 [{}]: {}", fmt::join(sizes(1), ", "), e.what());
      }
    }
    throw Error(fmt::format("{}: no forecast: the model cannot be run on sizes alone{}", request_.name, why));
  }

  ModelForecast of(const std::string& name, const MetaModel& meta, const Measured& measured) const {
    ModelForecast model{name, "", meta.weight_bytes(), {}, {}};
    const auto peak = [&](const ForwardNeeds& needs) { return beside_ + meta.weight_bytes() + needs.bytes; };
    for (const int64_t frames : request_.frames) {
      const ForwardNeeds needs = meta.forward(sizes(frames));
      model.costs.push_back({frames, peak(needs), scaled_seconds(measured, needs.ops)});
    }
    if (request_.max_memory) {
      model.most_frames =
          largest_within(*request_.max_memory, [&](int64_t n) { return peak(meta.forward(sizes(n))); });
    }
    return model;
  }

  ModelForecast of_config(const std::string& name, const QuantizationConfig& config) const {
    try {
      torch::jit::Module model =
          with_shared_weights(model_, config, at::rand(sizes(1), at::TensorOptions(at::kFloat)));
      const MetaModel meta(model);
      return of(name, meta, measure(model, sizes(1)));
    } catch (const std::exception& e) {
      const std::string text = error_text(e);
      return {name, text.substr(0, text.find('\n')), 0, {}, {}};
    }
  }

  torch::jit::Module& model_;
  const ForecastRequest& request_;
  const Progress& progress_;
  MetaModel meta_;
  InputLayout layout_ = InputLayout::kBshw;
  int64_t beside_ =
      0;  // bytes of a process that are no tensor's: libraries, threads, scratch memory of kernels
};

}  // namespace

std::vector<int64_t> input_sizes(InputLayout layout, int64_t frames, int64_t height, int64_t width) {
  if (layout == InputLayout::kBshw) return {1, frames, 3, height, width};
  return {frames, 3, height, width};
}

Forecast forecast(torch::jit::Module& model, const ForecastRequest& request, const Progress& progress) {
  return Forecaster(model, request, progress).run();
}

int64_t least_peak_bytes(const torch::jit::Module& model, const std::vector<int64_t>& sizes) {
  const MetaModel meta(model);
  return meta.weight_bytes() + meta.forward(sizes).bytes;
}

int64_t most_frames_within(int64_t bytes, const torch::jit::Module& model, InputLayout layout, int64_t height,
                           int64_t width) {
  const MetaModel meta(model);
  return largest_within(bytes, [&](int64_t frames) {
    return meta.weight_bytes() + meta.forward(input_sizes(layout, frames, height, width)).bytes;
  });
}

}  // namespace vqt
