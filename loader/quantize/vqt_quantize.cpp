// vqt-quantize: a TorchScript model in, the same model with quantized Linear layers out.
#include <fmt/format.h>

#include <optional>
#include <string>
#include <vector>

#include "loader/cli/load_library.h"
#include "loader/cli/progress_bar.h"
#include "loader/cli/run_main.h"
#include "loader/quantize/commands.h"
#include "vqt/atomic_file.h"
#include "vqt/preset_note.h"

int main(int argc, char** argv) {
  namespace cli = vqt::cli;
  return cli::run_main("vqt-quantize", [&] {
    std::string print;  // --help, --version
    const std::optional<cli::Options> options = cli::parse_options({argv + 1, argv + argc}, print);
    fmt::print("{}", print);
    if (!options) return 0;
    vqt::remove_unfinished_files_on_signals();
    cli::load_libraries(options->libraries);
    cli::ProgressBar progress("vqt-quantize", options->quiet);
    if (const std::string note = vqt::preset_note(options->preset); !note.empty()) progress.warn(note);
    const auto command = options->list      ? cli::list_layers
                         : options->dry_run ? cli::dry_run
                         : options->repack  ? cli::repack
                                            : cli::quantize;
    command(*options, progress);
    return 0;
  });
}
