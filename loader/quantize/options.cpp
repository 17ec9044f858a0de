// Flags of vqt-quantize; those of single fields come out of the config's list of fields.
#include "loader/quantize/options.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <filesystem>
#include <iostream>

#include "vqt/nearest.h"

namespace vqt::cli {
namespace {

namespace fs = std::filesystem;

std::string hyphens(std::string name) {
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

// --group_size and --group-size are one flag; values are left alone.
std::vector<std::string> normalized(int argc, const char* const* argv) {
  std::vector<std::string> arguments;
  for (int i = 1; i < argc; ++i) {
    std::string text = argv[i];
    if (text.rfind("--", 0) == 0) {
      const size_t end = std::min(text.find('='), text.size());
      text = hyphens(text.substr(0, end)) + text.substr(end);
    }
    arguments.push_back(text);
  }
  std::reverse(arguments.begin(), arguments.end());  // CLI11 takes them from the back
  return arguments;
}

void add_fields(CLI::App& app, FlagValues& fields) {
  for (const FieldInfo& field : config_fields()) {
    const std::string name = field.name;
    const auto take = [&fields, name](const std::vector<std::string>& values) {
      fields.emplace_back(name, values);
    };
    std::string flags = "--" + hyphens(name);
    if (!field.alias.empty()) flags += ",--" + hyphens(field.alias);
    const std::string kind =
        field.allowed.empty() ? field.kind : fmt::format("{}", fmt::join(field.allowed, "|"));
    app.add_option_function<std::vector<std::string>>(flags, take,
                                                      fmt::format("{} [{}]", field.help, field.initial))
        ->allow_extra_args(false)
        ->type_name(kind)
        ->group("Fields of the config (override --config and --preset)");
  }
}

std::vector<std::string> known_flags(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  return names;
}

// The culprit first, then what to do.
std::string unexpected(const CLI::App& app) {
  for (const std::string& text : app.remaining()) {
    if (text.rfind('-', 0) != 0)
      return fmt::format("{}: one archive IN.pt is expected, this is one more argument", text);
    const std::string flag = text.substr(0, text.find('='));
    return fmt::format("{}: no such flag; nearest: {} (see --help)", flag,
                       nearest_name(flag, known_flags(app)));
  }
  return "arguments are left over (see --help)";
}

void refuse_later(CLI::App& app, const std::string& flag) {
  app.add_option_function<std::string>(
         "--" + flag, [flag](const std::string&) { throw UsageError("--" + flag + ": not in this version"); })
      ->expected(0, 1)
      ->group("");
}

void check_combination(const Options& o) {
  const int modes = o.list + o.dry_run + o.repack;
  if (modes > 1) throw UsageError("--list, --dry-run, --repack: only one of them at a time");
  if (o.json && !o.list) throw UsageError("--json: goes with --list");
  if (!o.config.empty() && !o.preset.empty())
    throw UsageError("--preset: cannot be combined with --config; flags override either");
  if (o.repack && o.has_config()) {
    throw UsageError(
        "--repack: packs the archive's own weights anew and takes no --config, --preset or field flags");
  }
  const bool runs = modes == 0;
  if (!runs && o.verify)
    throw UsageError("--verify: only when quantizing, not with --list, --dry-run or --repack");
  if (!runs && o.speed_guard)
    throw UsageError("--speed-guard: only when quantizing, not with --list, --dry-run or --repack");
  if (o.speed_guard && o.inputs.empty())
    throw UsageError("--speed-guard: needs --inputs FILE to measure the linears on");
  if (!runs && !o.inputs.empty())
    throw UsageError("--inputs: only when quantizing, not with --list, --dry-run or --repack");
  if (!runs && !o.calibration.empty())
    throw UsageError("--calibration: only when quantizing, not with --list, --dry-run or --repack");
  if (o.out.empty() && (runs || o.repack))
    throw UsageError("-o: expected the path of the archive to write (-o OUT.pt)");
  if (!(o.min_cosine >= -1 && o.min_cosine <= 1)) {
    throw UsageError(fmt::format("--min-cosine: expected a number from -1 to 1, got {}", o.min_cosine));
  }
}

class Help : public CLI::Formatter {
 public:
  Help() { column_width(34); }
  std::string make_option_opts(const CLI::Option* option) const override {
    return option->get_type_name().empty() ? "" : " " + option->get_type_name();
  }
  std::string make_usage(const CLI::App*, std::string) const override {
    return "Usage: vqt-quantize IN.pt -o OUT.pt [--config FILE | --preset NAME] [flags]\n"
           "       vqt-quantize IN.pt --list [--json] | --dry-run | --repack -o OUT.pt\n";
  }
};

constexpr const char* kFooter =
    R"(Exit codes: 0 done, 1 the work failed (damaged archive, nothing to quantize, --verify below its limit),
2 bad usage (flags, content of a config). The result goes to stdout, progress and warnings to stderr.
Flags may be written with underscores too: --group_size is --group-size.

Examples:
  vqt-quantize vggt.pt -o vggt-int8.pt --preset production --verify
  vqt-quantize vggt.pt -o vggt-int4.pt --bits 4 --group-size 64 --ignore camera_head,depth_head
  vqt-quantize vggt.pt --list --preset smallest)";

}  // namespace

std::optional<Options> parse_options(int argc, const char* const* argv) {
  Options o;
  CLI::App app("Quantizes the Linear layers of a TorchScript archive.", "vqt-quantize");
  app.formatter(std::make_shared<Help>());
  app.set_version_flag("--version", "vqt-quantize " VQT_VERSION, "print the version");
  app.footer(kFooter);
  app.add_option("IN", o.in, "TorchScript archive to read")->required()->type_name("IN.pt");
  app.add_option("-o,--output", o.out, "archive to write; replaced if it exists")->type_name("OUT.pt");
  app.add_option("--config", o.config, "JSON file with the fields below")->type_name("FILE");
  app.add_option("--preset", o.preset, "a named config: " + preset_list())
      ->type_name(fmt::format("{}", fmt::join(preset_names(), "|")));
  app.add_flag("--list", o.list,
               "print one line per site (with config flags also what they would do), write nothing");
  app.add_flag("--json", o.json, "with --list: print JSON");
  app.add_flag("--dry-run", o.dry_run, "print the predicted sizes in bytes, write nothing");
  app.add_flag("--repack", o.repack, "lay out the weights of a quantized archive anew for this machine");
  app.add_option("--inputs", o.inputs,
                 "what torch.save wrote: a tensor, or a tuple or list of forward's arguments; each site is "
                 "measured on it")
      ->type_name("FILE");
  app.add_flag("--verify", o.verify,
               "run float and quantized model (on --inputs, else on a random [1,2,3,392,518]) and compare; "
               "on failure nothing is written");
  app.add_flag("--speed-guard", o.speed_guard,
               "with --inputs: a site whose quantized linears measure slower than the float ones on this "
               "machine stays float");
  app.add_option("--min-cosine", o.min_cosine, "least cosine --verify accepts for an output [0.9]")
      ->type_name("-1..1");
  app.add_option("--calibration", o.calibration, "folder of images for --activation static")
      ->type_name("DIR");
  app.add_flag("--quiet", o.quiet, "no progress");
  refuse_later(app, "max-drop");
  add_fields(app, o.fields);
  try {
    app.parse(normalized(argc, argv));
  } catch (const CLI::CallForHelp&) {
    std::cout << app.help();
    return std::nullopt;
  } catch (const CLI::CallForVersion& e) {
    std::cout << e.what() << "\n";
    return std::nullopt;
  } catch (const CLI::ExtrasError&) {
    throw UsageError(unexpected(app));
  } catch (const CLI::RequiredError&) {
    throw UsageError("IN.pt: expected the path of the TorchScript archive to read (see --help)");
  } catch (const CLI::ParseError& e) {
    throw UsageError(fmt::format("{} (see --help)", e.what()));
  }
  check_combination(o);
  return o;
}

QuantizationConfig config_from(const Options& options) {
  QuantizationConfig config;
  if (!options.config.empty()) config = QuantizationConfig::from_file(options.config);
  if (!options.preset.empty()) config = QuantizationConfig::preset(options.preset);
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
