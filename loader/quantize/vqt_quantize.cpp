// vqt-quantize: a TorchScript archive in, the same model with quantized linears out.
#include <cstdio>
#include <exception>
#include <optional>

#include "loader/quantize/commands.h"
#include "vqt/atomic_file.h"
#include "vqt/error.h"
#include "vqt/error_text.h"

namespace {

int complain(const char* what, int code) {
  std::fflush(stdout);
  std::fprintf(stderr, "vqt-quantize: %s\n", what);
  return code;
}

}  // namespace

int main(int argc, char** argv) try {
  const std::optional<vqt::cli::Options> options = vqt::cli::parse_options(argc, argv);
  if (!options) return 0;  // --help, --version
  vqt::remove_unfinished_files_on_signals();
  vqt::cli::ProgressLine progress(options->quiet);
  const auto command = options->list      ? vqt::cli::list_sites
                       : options->dry_run ? vqt::cli::dry_run
                       : options->repack  ? vqt::cli::repack
                                          : vqt::cli::quantize;
  command(*options, progress);
  return std::fflush(stdout) == 0 ? 0 : complain("writing to stdout failed", 1);
} catch (const vqt::UsageError& e) {
  return complain(e.what(), 2);
} catch (const std::exception& e) {
  return complain(vqt::error_text(e).c_str(), 1);
}
