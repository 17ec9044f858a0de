// vqt-eval: scores quantized models against a float model on real pictures.
#include <fmt/format.h>

#include <cstdio>
#include <exception>

#include "console.h"
#include "evaluate.h"
#include "images.h"
#include "options.h"
#include "process.h"
#include "progressive_table.h"
#include "report.h"
#include "worker.h"

namespace {

int complain(const std::string& what, int exit_code) {
  fmt::print(stderr, "vqt-eval: error: {}\n", what);
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  if (arguments.size() == 3 && arguments[0] == "--vqt_worker") {  // this program, started by itself
    return vqt::run_worker(arguments[1], std::stoi(arguments[2]));
  }
  const vqt::Options options = vqt::parse_options(arguments);
  if (!options.help.empty()) {
    fmt::print("{}", options.help);
    return 0;
  }
  vqt::catch_interrupts();
  vqt::Console console(options.quiet);
  const vqt::EvalReport report = vqt::evaluate(options, console);
  const std::string page = vqt::write_report(report, options.output_dir);
  fmt::print("{}\n", vqt::summary_text(report));
  if (report.progressive && !report.progressive->config.is_null()) {
    fmt::print("config: {}/{}: {}\n", options.output_dir, vqt::kProgressiveConfig,
               vqt::progressive_outcome(report));
  }
  fmt::print("report: {}\n", page);
  return 0;
} catch (const vqt::UsageError& e) {
  return complain(e.what(), 2);
} catch (const vqt::ConfigError& e) {
  return complain(e.what(), 2);
} catch (const vqt::EvalError& e) {
  return complain(e.what(), e.exit_code);
} catch (const vqt::Interrupted& e) {
  return complain(e.what(), 128 + e.signal);
} catch (const c10::Error& e) {
  return complain(e.what_without_backtrace(), 1);  // a user wants the sentence, not 40 frames
} catch (const std::exception& e) {
  return complain(e.what(), 1);
}
