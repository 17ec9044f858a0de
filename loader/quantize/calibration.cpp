#include "loader/quantize/calibration.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "loader/quantize/verify.h"
#ifdef VQT_HAS_IMAGES
#include <filesystem>

#include "loader/images/image_notes.h"
#include "loader/images/image_options_json.h"
#include "loader/images/images.h"
#endif

namespace vqt::cli {
namespace {

using nlohmann::ordered_json;

// Counts what a source gives.
struct Fed {
  int64_t batches = 0;
  std::vector<std::vector<int64_t>> shapes;  // each once

  void add(const std::vector<c10::IValue>& arguments) {
    ++batches;
    for (const c10::IValue& argument : arguments) {
      if (!argument.isTensor()) continue;
      const std::vector<int64_t> shape = argument.toTensor().sizes().vec();
      if (std::find(shapes.begin(), shapes.end(), shape) == shapes.end()) shapes.push_back(shape);
    }
  }
  ordered_json record(std::vector<std::string> files) const {
    files.resize(std::min(files.size(), static_cast<size_t>(batches)));
    return {{"batches", batches}, {"shapes", shapes}, {"files", std::move(files)}};
  }
};

std::string counted(size_t n, const char* what) { return fmt::format("{} {}{}", n, what, n == 1 ? "" : "s"); }

}  // namespace

#ifdef VQT_HAS_IMAGES
namespace {

// The first of the layouts that the model accepts.
InputLayout accepted_layout(torch::jit::Module model, const at::Tensor& frames, ImageOptions options,
                            const std::vector<InputLayout>& layouts) {
  std::string why;
  for (const InputLayout layout : layouts) {
    options.layout = layout;
    const at::Tensor input = model_input(frames, 0, 1, options);
    try {
      run_forward(model, {input});
      return layout;
    } catch (const Error& e) {
      why += fmt::format("\n  as [{}]: {}", fmt::join(input.sizes(), ", "), e.what());
    }
  }
  throw Error(fmt::format(
      "--calibration: the model does not accept a {} x {} image; try another --image-size or --input-layout, or pass "
      "--inputs FILE instead{}",
      frames.size(2), frames.size(3), why));
}

}  // namespace

Calibration calibrate_on_images(const Options& options, int64_t samples, const torch::jit::Module& model) {
  struct State {
    ImageList list;
    ImageOptions options;
    std::optional<at::Tensor> first;  // decoded while the layout was looked for
    size_t next = 0;
    std::vector<std::string> first_of_several;
    Fed fed;

    at::Tensor decode(size_t i) {
      const Images images = load_images({list.folder, list.from_subfolder, {list.paths.at(i)}}, options);
      const std::vector<std::string>& more = images.first_of_several;
      first_of_several.insert(first_of_several.end(), more.begin(), more.end());
      return images.frames;
    }
  };
  auto state = std::make_shared<State>();
  state->list = list_images(options.calibration, samples);
  state->options = options.images;
  state->first = state->decode(0);
  const std::vector<InputLayout> layouts = {InputLayout::kBshw, InputLayout::kBchw};
  state->options.layout = accepted_layout(model, *state->first, options.images,
                                          options.any_layout ? layouts : std::vector{options.images.layout});
  const auto source = [state](std::vector<c10::IValue>& arguments) {
    if (state->next == state->list.paths.size()) return false;
    const at::Tensor frames = state->first ? *state->first : state->decode(state->next);
    state->first.reset();
    ++state->next;
    arguments = {model_input(frames, 0, 1, state->options)};
    state->fed.add(arguments);
    return true;
  };
  const auto record = [state] {
    std::vector<std::string> names;
    for (const std::string& path : state->list.paths)
      names.push_back(std::filesystem::path(path).filename().string());
    ordered_json json = state->fed.record(std::move(names));
    json["folder"] = state->list.folder;
    json["images"] = nlohmann::json(state->options);
    return json.dump();
  };
  return {source, record, [state] { return image_notes(state->list, state->first_of_several); }};
}
#else
Calibration calibrate_on_images(const Options&, int64_t, const torch::jit::Module&) {
  throw Error(
      "--calibration: this vqt-quantize was built without OpenCV and reads no images; pass --inputs FILE, "
      "or build with libopencv-dev and -DVQT_BUILD_EVAL=ON");
}
#endif

Calibration calibrate_on_inputs(const std::vector<std::string>& files,
                                std::vector<std::vector<c10::IValue>> inputs, int64_t samples) {
  auto fed = std::make_shared<Fed>();
  inputs.resize(std::min(inputs.size(), static_cast<size_t>(samples)));
  const auto source = [fed, inputs = std::move(inputs)](std::vector<c10::IValue>& arguments) {
    const auto next = static_cast<size_t>(fed->batches);
    if (next == inputs.size()) return false;
    arguments = inputs[next];
    fed->add(arguments);
    return true;
  };
  return {source, [fed, files] { return fed->record(files).dump(); },
          [] { return std::vector<std::string>(); }};
}

std::string calibration_line(const std::string& record) {
  const ordered_json json = ordered_json::parse(record);
  const size_t files = json.at("files").size();
  std::string shapes;
  for (const ordered_json& shape : json.at("shapes")) {
    shapes += fmt::format("{}[{}]", shapes.empty() ? " of " : " and ",
                          fmt::join(shape.get<std::vector<int64_t>>(), ", "));
  }
  std::string line = fmt::format("calibration: {} forward pass{}{}, ", json.at("batches").get<int64_t>(),
                                 json.at("batches") == 1 ? "" : "es", shapes);
  if (!json.contains("images"))
    return line + fmt::format("{}\n", fmt::join(json.at("files").get<std::vector<std::string>>(), ", "));
  const ordered_json& images = json.at("images");
  return line + fmt::format("{} of {}: {} at image size {}, {}, mean {}, std {}\n", counted(files, "image"),
                            json.at("folder").get<std::string>(), images.at("preprocess").get<std::string>(),
                            images.at("image_size").get<int64_t>(), images.at("layout").get<std::string>(),
                            fmt::join(images.at("mean").get<std::vector<double>>(), ","),
                            fmt::join(images.at("std").get<std::vector<double>>(), ","));
}

InputSource once(std::vector<c10::IValue> arguments) {
  return [arguments = std::move(arguments), given = false](std::vector<c10::IValue>& out) mutable {
    if (given) return false;
    given = true;
    out = arguments;
    return true;
  };
}

}  // namespace vqt::cli
