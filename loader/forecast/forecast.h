// Peak memory and time of forward passes with any number of frames, for a model and what configs make of it.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "loader/images/image_options.h"
#include "vqt/config.h"
#include "vqt/quantize.h"

namespace vqt {

struct ForecastRequest {
  std::string name;                                                 // of the model as it is
  std::vector<std::pair<std::string, QuantizationConfig>> configs;  // quantized models to forecast with it
  std::vector<int64_t> frames;                                      // per forward pass
  int64_t height = 392, width = 518;                                // of a frame, pixels
  std::optional<int64_t> max_memory;                                // bytes that a process may have
  std::vector<InputLayout> layouts = {InputLayout::kBshw,
                                      InputLayout::kBchw};  // the first that the model accepts
};

struct FrameCosts {
  int64_t frames = 0;
  int64_t peak_bytes = 0;  // of a process that runs the model and nothing else
  double seconds = 0;      // of one forward pass on this machine with this number of threads
};

struct ModelForecast {
  std::string name;
  std::string problem;       // why there is no forecast, or ""
  int64_t weight_bytes = 0;  // parameters and buffers in memory
  std::vector<FrameCosts> costs;
  std::optional<int64_t> most_frames;  // within max_memory
};

struct Forecast {
  InputLayout layout = InputLayout::kBshw;
  int64_t height = 0, width = 0;
  std::optional<int64_t> max_memory;
  int threads = 0;
  std::vector<ModelForecast> models;  // the model as it is, then the configs
};

// Memory: sizes and lifetimes of all tensors from the graph, and what the process and the kernels need beside them from
// one forward pass of the model. Time: one forward pass of each model with one frame (a second one where it takes less
// than 10 s), operator by operator scaled by how its work grows. model: loaded whole. Throws Error: the model itself
// has no forecast.
Forecast forecast(torch::jit::Module& model, const ForecastRequest& request, const Progress& progress);

// Bytes without which a forward pass is not possible, from the graph alone: weights and tensors.
// model: LoadOptions::structure_only is enough. Throws Error.
int64_t least_peak_bytes(const torch::jit::Module& model, const std::vector<int64_t>& sizes);
// The largest number of frames whose input sizes need at most `bytes`; 0: not even one does. The same model.
int64_t most_frames_within(int64_t bytes, const torch::jit::Module& model, InputLayout layout, int64_t height,
                           int64_t width);

std::vector<int64_t> input_sizes(InputLayout layout, int64_t frames, int64_t height, int64_t width);

std::string forecast_text(const Forecast& forecast);
nlohmann::ordered_json forecast_json(const Forecast& forecast);

}  // namespace vqt
