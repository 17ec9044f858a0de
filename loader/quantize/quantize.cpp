// The main job: load, run the float model where asked, quantize, verify, save, report.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>

#include "loader/archive/inputs_file.h"
#include "loader/cli/cpu_load.h"
#include "loader/cli/units.h"
#include "loader/quantize/calibration.h"
#include "loader/quantize/commands.h"
#include "loader/quantize/float_tensors.h"
#include "loader/quantize/layer_table.h"
#include "loader/quantize/verify.h"
#include "vqt/archive.h"
#include "vqt/atomic_file.h"
#include "vqt/peak_memory.h"
#include "vqt/scoped_malloc_trim.h"

namespace vqt::cli {
namespace {

NamedTensors run_float(torch::jit::Module& model, const std::vector<c10::IValue>& arguments,
                       const std::string& inputs_file) {
  try {
    return run_forward(model, arguments);
  } catch (const Error& e) {
    if (inputs_file.empty()) throw Error(needs_inputs(e.what()));
    throw Error(fmt::format("--inputs {}: the float model's forward fails on it: {}", inputs_file, e.what()));
  }
}

using Arguments = std::vector<c10::IValue>;  // of one forward pass

// expected[i]: what the float model returns for inputs[i].
void verify(torch::jit::Module& quantized, const std::vector<NamedTensors>& expected,
            const std::vector<Arguments>& inputs, const Options& options) {
  std::vector<std::string> failures;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const Verdict verdict =
        judge(compare_tensors(expected[i], run_forward(quantized, inputs[i])), options.min_cosine);
    if (inputs.size() > 1) fmt::print("{}:\n", options.inputs[i]);
    fmt::print("{}", verdict.table);
    for (const std::string& failure : verdict.failures)
      failures.push_back(inputs.size() > 1 ? options.inputs[i] + ": " + failure : failure);
  }
  if (failures.empty()) return;
  std::string text =
      fmt::format("--verify: the quantized model differs too much; {} was not written", options.out);
  for (const std::string& failure : failures) text += "\n  " + failure;
  throw Error(text);
}

// Errors of the config, a model without Linear layers and a disk that is too full show before gigabytes are read.
void plan_first(const Options& options, const QuantizationConfig& config) {
  const Archive archive = load_archive(options.in, {/*structure_only=*/true, {}});
  if (is_quantized(archive.module)) {
    throw Error(options.in + ": is already quantized; quantize the float model it was made from");
  }
  const std::vector<SiteReport> plan = describe_sites(archive.module, &config);
  const int64_t bytes = archive.file_bytes - saved_bytes(archive.module, plan);
  try_output(options.out, static_cast<uint64_t>(std::max<int64_t>(0, bytes)));
}

}  // namespace

void quantize(const Options& options, ProgressBar& progress) {
  const auto started = std::chrono::steady_clock::now();
  const QuantizationConfig config = config_from(options);
  check_options(options, config);
  try_output(options.out);
  std::vector<Arguments> inputs;
  for (const std::string& file : options.inputs) inputs.push_back(read_inputs(file));
  plan_first(options, config);
  const Progress report_progress = [&](const std::string& s, int64_t done, int64_t total) {
    progress.stage(s, done, total);
  };
  Archive archive = load_archive(options.in, {false, report_progress});

  std::vector<NamedTensors> expected;
  if (options.verify) {
    if (inputs.empty()) inputs = {random_inputs(archive.module)};
    progress.stage("running the float model", 0, 1);
    for (size_t i = 0; i < inputs.size(); ++i)
      expected.push_back(
          run_float(archive.module, inputs[i], options.inputs.empty() ? "" : options.inputs[i]));
  }
  QuantizeOptions work;
  work.progress = report_progress;
  if (!options.inputs.empty()) work.measure = once(inputs[0]);
  work.speed_guard = options.speed_guard;
  Calibration calibration;
  if (!options.calibration.empty()) {
    calibration = calibrate_on_images(options, config.calibration_samples, archive.module);
  } else if (config.activation == ActivationMode::kStatic) {
    calibration = calibrate_on_inputs(options.inputs, inputs, config.calibration_samples);
  }
  work.calibration = calibration.source;
  Report report;
  const CpuTimes before = cpu_times_now();
  torch::jit::Module quantized = [&] {
    const ScopedMallocTrim trim;
    return vqt::quantize(std::move(archive.module), config, report, work);
  }();
  for (const std::string& warning : report.warnings) progress.warn(warning);
  if (calibration.source) {
    report.calibration = calibration.record();
    for (const std::string& note : calibration.notes()) progress.warn(note);
  }
  if (const std::string busy = busy_text(used_by_others(before, cpu_times_now()));
      options.speed_guard && !busy.empty()) {
    progress.warn(fmt::format("--speed-guard: the machine was busy: {} meanwhile; measure again", busy));
  }
  if (options.verify) {
    progress.stage("running the quantized model", 0, 1);
    verify(quantized, expected, inputs, options);
  }
  progress.stage("writing " + options.out, 0, 1);
  save_archive(quantized, archive.extra, report, options.out);
  progress.finish();

  const auto after = static_cast<int64_t>(std::filesystem::file_size(options.out));
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started).count();
  fmt::print("{}{}{}file: {} -> {} ({})\n{}{}time: {}, peak memory: {}\n{}\n", summary(report.sites),
             fusion_lines(report.fusions_made),
             report.calibration.empty() ? "" : calibration_line(report.calibration),
             bytes_text(archive.file_bytes), bytes_text(after), ratio_text(archive.file_bytes, after),
             weights_line(report.sites), float_tensors_line(quantized), duration_text(seconds),
             bytes_text(peak_memory_bytes()), options.out);
}

}  // namespace vqt::cli
