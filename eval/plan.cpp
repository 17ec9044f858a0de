#include "eval/plan.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "eval/load_inputs.h"
#include "eval/results/eval_report.h"
#include "eval/runs/process.h"
#include "loader/cli/units.h"
#include "loader/forecast/forecast.h"
#include "loader/forecast/free_memory.h"
#include "vqt/archive.h"
#include "vqt/error.h"

namespace vqt {
namespace {

int64_t frames_of(const RunSettings& settings, int64_t images) {
  return settings.frames > 0 ? std::min(settings.frames, images) : images;
}

// 1, 2, 4, ..., most.
std::vector<int64_t> doubled_up_to(int64_t most) {
  std::vector<int64_t> frames;
  for (int64_t n = 1; n < most; n *= 2) frames.push_back(n);
  frames.push_back(most);
  return frames;
}

Forecast forecast_of(const std::string& path, ForecastRequest request, cli::ProgressBar& console) {
  const auto progress = [&](const std::string& stage, int64_t done, int64_t total) {
    console.stage(stage, done, total);
  };
  Archive archive = load_archive(path, {false, progress});
  return forecast(archive.module, request, progress);
}

}  // namespace

void print_plan(const RunSettings& settings, cli::ProgressBar& console) {
  EvalReport unused;
  const TempFolder temp(std::filesystem::temp_directory_path().string());
  const ImageFile images = load_images(settings, temp.file("pictures"), unused, console);
  ForecastRequest request;
  request.name = "reference";
  request.frames = doubled_up_to(frames_of(settings, images.count()));
  request.height = images.frame.height;
  request.width = images.frame.width;
  request.max_memory = settings.max_memory;
  request.layouts = {settings.images.layout};
  for (const Candidate& c : settings.candidates) {
    if (c.source != "model") request.configs.emplace_back(c.name, c.config);
  }
  Forecast plan = forecast_of(settings.reference, request, console);
  request.configs.clear();
  for (const Candidate& c : settings.candidates) {
    if (c.source != "model") continue;
    request.name = c.name;
    plan.models.push_back(forecast_of(c.path, request, console).models.at(0));
  }
  console.finish();
  fmt::print("{}", forecast_text(plan));
}

void refuse_what_does_not_fit(const RunSettings& settings, const ImageFile& images) {
  if (!settings.load_reference.empty()) return;  // it is not run
  const int64_t frames = frames_of(settings, images.count()), free_bytes = free_memory_bytes();
  const Size frame = images.frame;
  const InputLayout layout = settings.images.layout;
  int64_t needed = 0, fit = 0;
  try {
    const Archive archive = load_archive(settings.reference, {/*structure_only=*/true, {}});
    needed = least_peak_bytes(archive.module, input_sizes(layout, frames, frame.height, frame.width));
    if (needed <= free_bytes) return;
    fit = most_frames_within(free_bytes, archive.module, layout, frame.height, frame.width);
  } catch (const Error&) {
    return;
  }
  throw Error(fmt::format(
      "{}: a forward pass with {} image{} of {} x {} needs at least {} of memory, {} are free; {}",
      settings.reference, frames, frames == 1 ? "" : "s", frame.width, frame.height, cli::bytes_text(needed),
      cli::bytes_text(free_bytes),
      fit > 0 ? fmt::format("at most {} fit: --frames {}", fit, fit)
              : "not even one fits: a smaller --image-size needs less"));
}

}  // namespace vqt
