#include "eval/runs/run_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <optional>

#include "loader/cli/cpu_load.h"
#include "loader/cli/units.h"
#include "vqt/atomic_file.h"
#include "vqt/error.h"

namespace vqt {
namespace {
constexpr double kShortMs = 50;  // shorter scenes vary by themselves

// Of one that ended without a word.
std::string end_of_process(int code) {
  if (code <= 128) return fmt::format("its process ended with exit code {} and no result", code);
  const int signal = code - 128;
  const std::string name = fmt::format("signal {}, {}", signal, ::strsignal(signal));
  if (signal == SIGKILL)
    return fmt::format(
        "its process was ended by {}, probably because memory ran out; fewer images per forward pass "
        "(--frames) need less",
        name);
  return fmt::format("its process was ended by {}", name);
}

}  // namespace

JobResult run_job(Job job, const TempFolder& temp, cli::ProgressBar& console, const std::string& title) {
  const std::string job_path = temp.file("job.json");
  AtomicFile job_file(job_path);
  job_file.append(nlohmann::json(job).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
  job_file.commit();
  console.start(title);
  std::optional<JobResult> result;
  const int code = run_self(
      {"--vqt_worker", job_path},
      [&](const std::string& line) {
        const auto said = nlohmann::json::parse(line);
        if (said.contains("result"))
          result = said.at("result").get<JobResult>();
        else
          console.update(said.at("done"), said.at("total"));
      },
      [&] { console.tick(); });
  if (!result) throw Error(fmt::format("{}: {}", title, end_of_process(code)));
  if (result->exit_code == 2) throw UsageError(result->error);  // a config that does not fit the model
  if (!result->error.empty()) throw Error(result->error);
  console.finish();
  return *result;
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
