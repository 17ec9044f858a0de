#include "eval/runs/run_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "loader/cli/cpu_load.h"
#include "loader/cli/units.h"
#include "vqt/error.h"

namespace vqt {
namespace fs = std::filesystem;
namespace {
constexpr double kShortMs = 50;  // shorter scenes vary by themselves
}  // namespace

JobResult run_job(Job job, const TempFolder& temp, cli::ProgressBar& console, const std::string& title) {
  job.result = temp.file("result.json");
  fs::remove(job.result);
  const std::string job_path = temp.file("job.json");
  std::ofstream(job_path) << nlohmann::json(job).dump(-1, ' ', false,
                                                      nlohmann::json::error_handler_t::replace);
  console.start(title);
  const int code = run_self(
      {"--vqt_worker", job_path},
      [&](const std::string& line) {
        const auto progress = nlohmann::json::parse(line);
        console.update(progress.at("done"), progress.at("total"));
      },
      [&] { console.tick(); });
  std::ifstream file(job.result);
  if (!file) {
    std::string why = fmt::format("its process ended with exit code {}", code);
    if (code > 128) why = fmt::format("its process was ended by signal {}", code - 128);
    if (code == 128 + 9)
      why += ", probably because memory ran out; fewer images per forward pass (--frames) need less";
    throw Error(fmt::format("{}: {}", title, why));
  }
  const JobResult result = nlohmann::json::parse(file).get<JobResult>();
  if (result.exit_code == 2) throw UsageError(result.error);  // a config that does not fit the model
  if (!result.error.empty()) throw Error(result.error);
  console.finish();
  return result;
}

Cost cost_of(const JobResult& result, int64_t pictures) {
  return {result.file_bytes,
          result.ms / static_cast<double>(pictures),
          result.all_ms,
          result.warmup,
          result.peak_memory_bytes,
          result.used_by_others};
}

std::optional<std::string> timing_note(const JobResult& result, const RunSettings& options) {
  const std::string busy = cli::busy_text(result.used_by_others);
  if (static_cast<int64_t>(result.all_ms.size()) != options.runs || result.warmup != options.warmup) {
    return fmt::format("timed by one forward pass of the scene without warm-up, as it takes {}{}",
                       cli::duration_text(result.ms / 1e3), busy.empty() ? "" : "; " + busy + " meanwhile");
  }
  if (!busy.empty()) {
    return fmt::format("the machine was busy: {} while it was timed; measure again on an idle one", busy);
  }
  const auto [least, most] = std::minmax_element(result.all_ms.begin(), result.all_ms.end());
  if (*most < 1.5 * *least || *most < kShortMs) return {};
  return fmt::format("its timed forward passes took from {:.0f} to {:.0f} ms; measure again", *least, *most);
}

}  // namespace vqt
