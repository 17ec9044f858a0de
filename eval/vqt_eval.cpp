// vqt-eval: scores quantized models against a float model on real images.
#include <fmt/format.h>

#include "eval/compare/check_results.h"
#include "eval/compare/recorded_run.h"
#include "eval/evaluate.h"
#include "eval/options.h"
#include "eval/plan.h"
#include "eval/report/progressive_table.h"
#include "eval/report/report_text.h"
#include "eval/report/results_json.h"
#include "eval/report/write_report.h"
#include "eval/results/eval_report.h"
#include "eval/runs/checkpoint.h"
#include "eval/runs/output_folder.h"
#include "eval/runs/worker.h"
#include "loader/cli/interrupts.h"
#include "loader/cli/load_library.h"
#include "loader/cli/progress_bar.h"
#include "loader/cli/run_main.h"

namespace {

void print_report(const vqt::EvalReport& report, const vqt::RunSettings& options) {
  const std::string page = vqt::write_report(report, options.output_dir);
  fmt::print("{}\n", vqt::summary_text(report));
  if (report.progressive && !report.progressive->config.is_null()) {
    fmt::print("config: {}/{}: {}\n", options.output_dir, vqt::kProgressiveConfig,
               vqt::progressive_outcome(report));
  }
  fmt::print("report: {}\n", page);
}

int run(const vqt::RunSettings& options) {
  vqt::Json recorded;
  if (!options.check.empty()) recorded = vqt::read_results(options.check);
  vqt::cli::ProgressBar console("vqt-eval", options.quiet);
  if (options.plan) {
    vqt::print_plan(options, console);
    return 0;
  }
  const vqt::OutputFolder folder(options.output_dir);
  vqt::try_report(options.output_dir);
  vqt::Checkpoint checkpoint(options.output_dir, options.resume, console);
  vqt::EvalReport report;
  try {
    vqt::evaluate(options, console, checkpoint, report);
    print_report(report, options);
  } catch (const vqt::cli::Interrupted&) {
    if (report.interrupted) print_report(report, options);
    if (const std::string hint = checkpoint.resume_hint(true); !hint.empty()) console.warn(hint);
    throw;
  } catch (const std::exception&) {
    if (const std::string hint = checkpoint.resume_hint(false); !hint.empty()) console.warn(hint);
    throw;
  }
  checkpoint.remove();
  if (options.check.empty()) return 0;
  const vqt::Json now = vqt::results_json(report);
  const auto figures = vqt::check_results(recorded, now, options.tolerance_db);
  fmt::print("\n{}", vqt::check_text(figures, recorded, now));
  return vqt::all_within(figures) ? 0 : 1;
}

}  // namespace

int main(int argc, char** argv) {
  return vqt::cli::run_main("vqt-eval", [&] {
    const std::vector<std::string> arguments(argv + 1, argv + argc);
    if (arguments.size() == 3 && arguments[0] == "--vqt_worker")  // this program, started by itself
      return vqt::run_worker(arguments[1], std::stoi(arguments[2]));
    const vqt::RunSettings options = vqt::parse_options(arguments);
    if (!options.help.empty()) {
      fmt::print("{}", options.help);
      return 0;
    }
    vqt::cli::load_libraries(
        options.libraries);  // one that cannot be loaded shows now; each worker loads its own
    vqt::cli::catch_interrupts();
    return run(options);
  });
}
