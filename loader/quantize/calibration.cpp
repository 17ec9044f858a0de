#include "loader/quantize/calibration.h"

#include <ATen/core/Tensor.h>
#include <fmt/format.h>

#include <memory>
#include <optional>

#include "loader/quantize/verify.h"
#ifdef VQT_HAS_IMAGES
#include "loader/images/images.h"
#endif

namespace vqt::cli {

#ifdef VQT_HAS_IMAGES
namespace {

// The layout that the model accepts: VGGT's frames of one scene, or a batch of images.
InputLayout accepted_layout(torch::jit::Module model, const at::Tensor& frames) {
  std::string why;
  for (const InputLayout layout : {InputLayout::kBshw, InputLayout::kBchw}) {
    ImageOptions options;
    options.layout = layout;
    try {
      run_forward(model, {model_input(frames, 0, 1, options)});
      return layout;
    } catch (const Error& e) {
      why += fmt::format("\n  as {}: {}", layout == InputLayout::kBshw ? "[1, 1, 3, H, W]" : "[1, 3, H, W]",
                         e.what());
    }
  }
  throw Error(
      fmt::format("--calibration: the model does not accept a {} x {} image; pass --inputs FILE instead{}",
                  frames.size(2), frames.size(3), why));
}

}  // namespace

InputSource images_source(const std::string& folder, int64_t samples, const torch::jit::Module& model) {
  struct State {
    std::vector<std::string> paths;
    ImageOptions options;
    std::optional<at::Tensor> first;  // decoded while the layout was looked for
    size_t next = 0;
  };
  auto state = std::make_shared<State>();
  const ImageList list = list_images(folder, samples);
  state->paths = list.paths;
  const auto decode = [list](const std::string& path, const ImageOptions& options) {
    return load_images(ImageList{list.folder, list.from_subfolder, {path}}, options).frames;
  };
  state->first = decode(state->paths.at(0), state->options);
  state->options.layout = accepted_layout(model, *state->first);
  return [state, decode](std::vector<c10::IValue>& arguments) {
    if (state->next == state->paths.size()) return false;
    const at::Tensor frames =
        state->first ? *state->first : decode(state->paths[state->next], state->options);
    state->first.reset();
    ++state->next;
    arguments = {model_input(frames, 0, 1, state->options)};
    return true;
  };
}
#else
InputSource images_source(const std::string&, int64_t, const torch::jit::Module&) {
  throw Error(
      "--calibration: this vqt-quantize was built without OpenCV and reads no images; pass --inputs FILE, "
      "or build with libopencv-dev and -DVQT_BUILD_EVAL=ON");
}
#endif

InputSource once(std::vector<c10::IValue> arguments) {
  return [arguments = std::move(arguments), given = false](std::vector<c10::IValue>& out) mutable {
    if (given) return false;
    given = true;
    out = arguments;
    return true;
  };
}

}  // namespace vqt::cli
