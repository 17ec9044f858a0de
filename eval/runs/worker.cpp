#include "eval/runs/worker.h"

#include <ATen/core/grad_mode.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <fstream>
#include <new>

#include "eval/runs/job.h"
#include "eval/runs/outputs_file.h"
#include "eval/runs/packed_folder.h"
#include "loader/cli/cpu_load.h"
#include "loader/cli/load_library.h"
#include "loader/images/images.h"
#include "vqt/archive.h"
#include "vqt/error_text.h"
#include "vqt/outputs.h"
#include "vqt/peak_memory.h"
#include "vqt/quantile.h"
#include "vqt/quantize.h"
#include "vqt/report_json.h"
#include "vqt/scoped_malloc_trim.h"

namespace vqt {
namespace {
using Json = nlohmann::json;

constexpr double kLongForwardMs = 30e3;  // above it the first forward pass is the only one

void send(int fd, const Json& json) {
  const std::string line = json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  for (size_t sent = 0; sent < line.size();) {
    const ssize_t n = ::write(fd, line.data() + sent, line.size() - sent);
    if (n < 0 && errno != EINTR) ::_exit(1);  // the parent is gone
    if (n > 0) sent += static_cast<size_t>(n);
  }
}

Progress progress_to(int fd) {
  return [fd](const std::string& stage, int64_t done, int64_t total) {
    send(fd, {{"stage", stage}, {"done", done}, {"total", total}});
  };
}

std::string describe(const at::Tensor& input) {
  return fmt::format("float32 [{}]", fmt::join(input.sizes().begin(), input.sizes().end(), ", "));
}

struct Chunk {
  int64_t first, count;
};

std::vector<Chunk> split(int64_t pictures, int64_t frames) {
  std::vector<Chunk> chunks;
  const int64_t step = frames > 0 ? frames : pictures;
  for (int64_t first = 0; first < pictures; first += step)
    chunks.push_back({first, std::min(step, pictures - first)});
  return chunks;
}

c10::IValue forward(torch::jit::Module& module, const at::Tensor& input, const Job& job) {
  try {
    return module.forward({input});
  } catch (const std::exception& e) {
    const std::string hint =
        "\nFor a model with other input see --input-layout, --mean, --std, --image-size and --frames.";
    throw Error(fmt::format("{}: the forward pass fails on {}: {}{}", job.name, describe(input),
                            error_text(e), job.given ? hint : ""));
  }
}

void run(const Job& job, const Progress& progress, JobResult& result) {
  const at::NoGradGuard no_grad;
  Archive archive = load_archive(job.model);
  result.file_bytes = archive.file_bytes;
  if (archive.report) result.report = report_to_json(*archive.report);
  const ImageFile pictures = open_images(job.pictures);
  const std::vector<Chunk> chunks = split(pictures.count(), job.frames);
  OutputsWriter writer(job.output, chunks.size());
  bool written = false;
  int64_t total = (job.warmup + job.runs) * static_cast<int64_t>(chunks.size()), done = 0;
  progress("forward", 0, total);
  const auto whole_scene = [&] {  // milliseconds
    double ms = 0;
    for (const Chunk& c : chunks) {
      const at::Tensor input = model_input(read_images(pictures, c.first, c.count), job.images);
      const auto start = std::chrono::steady_clock::now();
      const c10::IValue value = forward(archive.module, input, job);
      ms += std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
      // Of the first pass over the scene: the outputs of one forward pass at a time are in memory.
      if (!written) writer.append(flatten_outputs(value), c.first, c.count);
      progress("forward", ++done, total);
    }
    written = true;
    return ms;
  };
  cli::CpuTimes before = cli::cpu_times_now();
  const double first = whole_scene();
  if (first > kLongForwardMs || job.warmup == 0) result.all_ms.push_back(first);
  if (first <= kLongForwardMs) {
    for (int64_t i = 1; i < job.warmup; ++i) whole_scene();
    result.warmup = job.warmup;
    if (job.warmup > 0) before = cli::cpu_times_now();
    while (static_cast<int64_t>(result.all_ms.size()) < job.runs) result.all_ms.push_back(whole_scene());
  }
  result.used_by_others = cli::used_by_others(before, cli::cpu_times_now());
  result.ms = median(result.all_ms);
  result.peak_memory_bytes = peak_memory_bytes();
  writer.finish();
}

void quantize_archive(const Job& job, const Progress& progress, JobResult& result) {
  Archive archive = load_archive(job.model);
  const QuantizationConfig config = QuantizationConfig::from_json(job.config, job.config_source);
  Report report;
  QuantizeOptions options;
  options.progress = progress;
  std::vector<Chunk> chunks;
  const ImageFile pictures = open_images(job.pictures);
  size_t next = 0;
  if (config.activation == ActivationMode::kStatic) {
    const int64_t count = std::min(pictures.count(), config.calibration_samples);
    chunks = split(count, job.frames);
    result.warnings.push_back(fmt::format("calibrated on {} of the images it is scored on", count));
    options.calibration = [&](std::vector<c10::IValue>& arguments) {
      if (next == chunks.size()) return false;
      arguments = {model_input(read_images(pictures, chunks[next].first, chunks[next].count), job.images)};
      ++next;
      return true;
    };
  }
  PackedCache packed;
  if (!job.packed.empty()) {
    std::vector<QuantizationConfig> later;
    for (const std::string& text : job.later) later.push_back(QuantizationConfig::from_json(text));
    packed = packed_folder(job.packed, std::move(later));
    options.packed = &packed;
  }
  const ScopedMallocTrim trim;
  const torch::jit::Module quantized = quantize(std::move(archive.module), config, report, options);
  save_archive(quantized, archive.extra, report, job.output);
  result.warnings.insert(result.warnings.end(), report.warnings.begin(), report.warnings.end());
  for (const SiteReport& site : report.sites)
    result.sites_quantized += site.action == "quantized" && has_weight(site);
  result.sites_reused = report.sites_reused;
  result.sites_quantized -= result.sites_reused;
}

}  // namespace

int run_worker(const std::string& job_path, int parent_fd) {
  Job job;
  JobResult result;
  try {
    job = Json::parse(std::ifstream(job_path)).get<Job>();
    cli::load_libraries(job.libraries);
    if (job.task == "run") {
      run(job, progress_to(parent_fd), result);
    } else {
      quantize_archive(job, progress_to(parent_fd), result);
    }
  } catch (const UsageError& e) {
    result.error = e.what();
    result.exit_code = 2;
  } catch (const std::bad_alloc&) {
    result.error = fmt::format("{}: memory ran out", job.name);
    result.exit_code = 1;
  } catch (const std::exception& e) {
    result.error = cli::message_of(e);
    result.exit_code = 1;
  }
  send(parent_fd, {{"result", result}});
  return result.exit_code;
}

}  // namespace vqt
