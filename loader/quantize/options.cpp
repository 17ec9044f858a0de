// Flags of vqt-quantize; those of single fields come out of the config's list of fields.
#include "loader/quantize/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>

#include "loader/cli/flags.h"
#include "loader/cli/image_flags.h"
#include "loader/cli/load_library.h"
#include "loader/cli/max_memory_flag.h"
#include "loader/cli/preset_flag.h"

namespace vqt::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kUsage =
    R"(vqt-quantize IN.pt -o OUT.pt [--config FILE | --preset NAME] [flags]
       vqt-quantize IN.pt --list [--json] | --dry-run | --repack -o OUT.pt
       vqt-quantize IN.pt --list --frames 1,2,4 [--size WxH] [--max-memory 8G] [--json])";

constexpr int64_t kMostFrames = 4096;  // of a forecast

constexpr const char* kFooter =
    "Exit codes: 0 done, 1 the work failed (damaged file, no Linear layer to quantize, --verify below its "
    "limit), 2 bad usage (flags, content of a config). The result goes to stdout, progress and warnings to "
    "stderr. Flags may be written with underscores too: --group_size is --group-size.\n"
    "\n"
    "Examples:\n"
    "  vqt-quantize vggt.pt -o vggt-int8.pt --preset production --verify\n"
    "  vqt-quantize vggt.pt -o vggt-int4.pt --bits 4 --group-size 64 --ignore head\n"
    "  vqt-quantize vggt.pt --list --preset smallest\n"
    "  vqt-quantize vggt.pt --list --frames 1,2,4,8 --max-memory 8G";

void add_files(Flags& flags, Options& o) {
  flags.group("Model and config");
  flags.positional(o.in, {"IN.pt", "the path of a TorchScript file"}, "TorchScript file to read");
  flags.text("-o,--output", o.out, {"OUT.pt", "the path of a file"},
             "TorchScript file to write; replaced if it exists");
  flags.text("--config", o.config, kFile, "JSON file with the fields below");
  flags.text("--preset", o.preset, {"NAME", "the name of a preset"},
             fmt::format("a named config: {}", preset_list()));
  flags.offer(preset_names());
  add_library_flag(flags, o.libraries);
  flags.on("--quiet", o.quiet, "no progress");
}

void add_modes(Flags& flags, Options& o) {
  flags.group("Instead of quantizing");
  flags.on("--list", o.list,
           "print one line per layer (with config flags also what they would do), write nothing");
  flags.on("--json", o.json, "with --list: print JSON");
  flags.on("--dry-run", o.dry_run, "print the predicted sizes in bytes, write nothing");
  flags.on("--repack", o.repack, "repack the weights of a quantized model for this machine's kernels");
}

void add_forecast(Flags& flags, Options& o) {
  flags.group("Memory and time of forward passes, with --list");
  flags.add(
      {{"--frames"},
       Flag::Takes::kOneValue,
       "N,N,...",
       "integers of at least 1 such as 1,2,4",
       "instead of the layers, print the peak memory and time of a forward pass with so many frames: of the "
       "model and of the config given, or of every preset. Runs the model on one frame",
       "",
       [&o](const std::string& text) {
         o.frames = integers_value("--frames", text, {1, kMostFrames});
       }});
  flags.add({{"--size"},
             Flag::Takes::kOneValue,
             "WxH",
             "WIDTHxHEIGHT in pixels such as 518x392",
             Flags::with_default("of a frame, in pixels", "518x392"),
             "",
             [&o](const std::string& text) { o.size = pixel_size_value("--size", text); }});
  add_max_memory_flag(flags, o.max_memory);
}

void add_inputs(Flags& flags, Options& o, TypedChannels& typed) {
  flags.group("Inputs");
  flags.repeated(
      "--inputs", o.inputs, kFile,
      "what torch.save wrote: a tensor, or a tuple or list of forward's arguments; each layer is measured on the "
      "first file, --verify and --activation static run all");
  flags.text(
      "--calibration", o.calibration, kFolder,
      "folder of images for --activation static, fed one by one, at most --calibration-samples of them; the "
      "flags below say how");
  add_image_flags(flags, o.images, typed, "the one that the model takes");
}

void add_checks(Flags& flags, Options& o) {
  flags.group("Checks");
  flags.on(
      "--verify", o.verify,
      "run float and quantized model (on --inputs, else on a random [1,2,3,392,518]) and compare; on failure "
      "nothing is written");
  flags.number("--min-cosine", o.min_cosine, {-1, 1}, "-1..1",
               "minimum cosine --verify accepts for an output");
  flags.on(
      "--speed-guard", o.speed_guard,
      "with --inputs: a layer that measures slower quantized than in floating point on this machine is kept "
      "in floating point");
  flags.add({{"--max-drop"}, Flag::Takes::kOneValue, "X", "a number", "", "", [](const std::string&) {
               throw UsageError("--max-drop: not in this version");
             }});
}

// Their values are read by apply_flags, which knows the fields.
void add_fields(Flags& flags, FlagValues& fields) {
  flags.group("Fields of the config (override --config and --preset)");
  for (const FieldInfo& field : config_fields()) {
    const auto take = [&fields, name = field.name](const std::string& value) {
      fields.emplace_back(name, std::vector<std::string>{value});
    };
    const std::string names =
        flag_name(field.name) + (field.alias.empty() ? "" : "," + flag_name(field.alias));
    const std::string allowed = fmt::format("{}", fmt::join(field.allowed, "|"));
    flags.add({{names},
               Flag::Takes::kOneEachTime,
               allowed.empty() ? field.kind : allowed,
               allowed.empty() ? field.kind : fmt::format("one of {}", fmt::join(field.allowed, ", ")),
               Flags::with_default(field.help, field.initial),
               "",
               take});
  }
}

void only_when_quantizing(const char* flag, bool given) {
  if (given)
    throw UsageError(fmt::format("{}: only when quantizing, not with --list, --dry-run or --repack", flag));
}

void check_combination(const Options& o) {
  const int modes = o.list + o.dry_run + o.repack;
  if (modes > 1) throw UsageError("--list, --dry-run, --repack: only one of them at a time");
  if (o.json && !o.list) throw UsageError("--json: goes with --list");
  if (!o.config.empty() && !o.preset.empty())
    throw UsageError("--preset: cannot be combined with --config; flags override either");
  if (o.repack && o.has_config()) {
    throw UsageError(
        "--repack: repacks the file's own weights and takes no --config, --preset or field flags");
  }
  if (modes > 0) {
    only_when_quantizing("--verify", o.verify);
    only_when_quantizing("--speed-guard", o.speed_guard);
    only_when_quantizing("--inputs", !o.inputs.empty());
    only_when_quantizing("--calibration", !o.calibration.empty());
  }
  if (o.speed_guard && o.inputs.empty())
    throw UsageError("--speed-guard: needs --inputs FILE to measure the layers on");
  if (o.out.empty() && (modes == 0 || o.repack))
    throw UsageError("-o: expected the path of the TorchScript file to write (-o OUT.pt), got none");
}

void check_forecast(const std::vector<Flags::Parsed::Given>& given, const Options& o) {
  for (const auto& [flag, unused] : given) {
    if ((flag == "--frames" || flag == "--max-memory" || flag == "--size") && !o.list)
      throw UsageError(flag + ": goes with --list");
    if (flag == "--size" && !o.has_forecast()) throw UsageError("--size: goes with --frames or --max-memory");
  }
}

// Flags that say how images are fed need images.
void check_image_flags(const std::vector<Flags::Parsed::Given>& given, const Options& o) {
  for (const auto& [flag, unused] : given) {
    if (kImageFlags.count(flag) > 0 && o.calibration.empty())
      throw UsageError(flag + ": goes with --calibration DIR, whose images it is for");
  }
}

}  // namespace

std::optional<Options> parse_options(const std::vector<std::string>& arguments, std::string& print) {
  Options o;
  Flags flags(
      {"vqt-quantize", VQT_VERSION, "Quantizes the Linear layers of a TorchScript model.", kUsage, kFooter});
  add_files(flags, o);
  add_modes(flags, o);
  add_forecast(flags, o);
  TypedChannels typed;
  add_inputs(flags, o, typed);
  add_checks(flags, o);
  add_fields(flags, o.fields);
  const Flags::Parsed parsed = flags.parse(arguments);
  print = parsed.print;
  if (!print.empty()) return std::nullopt;
  read_channels(typed, o.images);
  o.any_layout = std::none_of(parsed.given.begin(), parsed.given.end(),
                              [](const Flags::Parsed::Given& g) { return g.name == "--input-layout"; });
  if (o.in.empty())
    throw UsageError("IN.pt: expected the path of the TorchScript file to read, got none (see --help)");
  check_combination(o);
  check_forecast(parsed.given, o);
  check_image_flags(parsed.given, o);
  return o;
}

QuantizationConfig config_from(const Options& options) {
  QuantizationConfig config;
  if (!options.config.empty()) config = QuantizationConfig::from_file(options.config);
  if (!options.preset.empty()) config = preset_of_flag(options.preset);
  apply_flags(config, options.fields);
  return config;
}

void check_options(const Options& o, const QuantizationConfig& config) {
  std::error_code ignored;
  if (!o.out.empty() && !o.list && !o.dry_run) {
    if (fs::equivalent(o.in, o.out, ignored)) {
      throw UsageError(
          fmt::format("-o {}: is the same file as IN {}; write the result to another path", o.out, o.in));
    }
    const fs::path folder = fs::absolute(o.out).parent_path();
    if (!fs::is_directory(folder, ignored))
      throw UsageError(fmt::format("-o {}: the folder {} does not exist", o.out, folder.string()));
    if (fs::is_directory(o.out, ignored))
      throw UsageError(fmt::format("-o {}: is a folder; expected the path of a file", o.out));
  }
  const bool is_static = config.activation == ActivationMode::kStatic;
  if (!o.calibration.empty() && !is_static) {
    throw UsageError(fmt::format("--calibration: only --activation static is calibrated, this config's is {}",
                                 to_string(config.activation)));
  }
  if (!o.calibration.empty() && !fs::is_directory(o.calibration, ignored)) {
    throw UsageError(fmt::format("--calibration {}: expected a folder of images", o.calibration));
  }
  const bool runs = !o.list && !o.dry_run && !o.repack;
  if (runs && is_static && o.calibration.empty() && o.inputs.empty()) {
    throw UsageError(
        "--activation static: needs --calibration DIR with images, or --inputs FILE with one input");
  }
}

}  // namespace vqt::cli
