#include "eval/options.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <set>

#include "eval/compare/accuracy_limit.h"
#include "eval/compare/recorded_run.h"
#include "eval/search/progressive_config.h"
#include "eval/search/search.h"

namespace vqt {
namespace {

// --image-folder and --image_folder are the same flag: hyphens inside a flag's name become underscores.
std::string with_underscores(std::string argument) {
  if (argument.rfind("--", 0) != 0) return argument;
  for (size_t i = 2; i < argument.size() && argument[i] != '='; ++i) {
    if (argument[i] == '-') argument[i] = '_';
  }
  return argument;
}

std::string quoted(const std::string& argument) {
  const bool plain = !argument.empty() && std::all_of(argument.begin(), argument.end(), [](unsigned char c) {
    return std::isalnum(c) || std::strchr("_-./=,:+@%", c) || c >= 0x80;
  });
  if (plain) return argument;
  std::string result = "'";
  for (const char c : argument) result += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return result + "'";
}

void check_three(const char* flag, const std::vector<double>& values) {
  for (const double v : values) {
    if (!std::isfinite(v)) throw UsageError(fmt::format("{}: expected finite numbers, got {}", flag, v));
  }
  if (values.size() != 3) {
    throw UsageError(
        fmt::format("{}: expected 3 values, one for each of R, G, B, got {}", flag, values.size()));
  }
}

Candidate open_candidate(const std::string& source, const std::string& value) {
  Candidate c{"", source, value, {}};
  if (source == "model") {
    c.name = std::filesystem::path(value).stem().string();
  } else if (source == "config") {
    c.config = QuantizationConfig::from_file(value);
    c.name = c.config.display_name();
  } else {
    c.config = QuantizationConfig::preset(value);
    c.name = c.config.name;
  }
  return c;
}

Limit limit_of_flag(const std::string& text) {
  try {
    return parse_limit(text);
  } catch (const std::invalid_argument& e) {
    throw UsageError(fmt::format("--limit: {}", e.what()));
  }
}

constexpr int64_t kMany = int64_t{1} << 40;

// Without CLI11's own description of the range, which --help would print in place of what the flag means.
CLI::Validator in_range(int64_t low, int64_t high) { return CLI::Range(low, high).description(""); }

template <class Value>
CLI::Validator one_of(const std::map<std::string, Value>& names) {
  return CLI::CheckedTransformer(names, CLI::ignore_case).description("");
}

const char* const kFooter = R"(
The pictures directly in image_folder (or in its only subfolder that has some), sorted bytewise by name, are one
scene. Hyphens and underscores in flag names are the same; lists take several values, commas where they are
numbers, and repetition. Without --model, --config and --preset the five presets are compared.
Exit codes: 0 done, 1 the work failed or --check found a difference, 2 bad usage (the content of a config file included).
Example: vqt-eval --reference vggt.pt --preset production smallest --image_folder photos --max_images 4)";

}  // namespace

RunSettings parse_options(const std::vector<std::string>& arguments) {
  RunSettings o;
  std::vector<std::string> models, configs, presets, searches, limits;
  std::vector<double> mean(o.images.mean.begin(), o.images.mean.end());
  std::vector<double> std(o.images.std.begin(), o.images.std.end());

  CLI::App app("Scores quantized models against a float model on the pictures of a folder.", "vqt-eval");
  app.footer(kFooter);
  app.get_formatter()->column_width(34);
  app.add_option("--reference", o.reference, "TorchScript archive of the float model")->type_name("FILE");
  CLI::Option* model = app.add_option("--model", models, "archives to score")->type_name("FILE");
  CLI::Option* config =
      app.add_option("--config", configs, "config files; the reference is quantized by each")
          ->type_name("FILE");
  CLI::Option* preset = app.add_option("--preset", presets,
                                       fmt::format("the reference is quantized by each: {}", preset_list()))
                            ->type_name("NAME");
  app.add_option(
         "--search", searches,
         "try values of a field of the config, such as group_size=32,64,128 or ignore=,head (for a list: "
         "one value at a time, or none); several fields: every combination, over every --config and "
         "--preset (default: production), at most 200")
      ->type_name("FIELD=V,V");
  app.add_flag(
      "--progressive", o.progressive,
      "int8 (the --config or --preset given, default: production), then int4, at once or part by part "
      "of the network, each step taken only while every --limit holds; writes progressive.json, a config");
  app.add_option(
         "--limit", limits,
         "accuracy --progressive keeps: psnr=35, dB of a model's worst output; with --ground_truth "
         "also auc_30=-2 and abs_rel=+5%, how much worse than float, or abs_rel=0.1, the bound itself")
      ->type_name("METRIC=VALUE");
  app.add_option("--int4_group_size", o.int4_group_size, "weights per scale in 4 bits of --progressive")
      ->check(in_range(1, kMany))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--image_folder", o.image_folder,
                 "folder of pictures of one scene (default with --ground_truth: the pictures in there)")
      ->type_name("DIR");
  CLI::Option* max_images =
      app.add_option("--max_images", o.max_images, "use the first N pictures (default: all)")
          ->check(in_range(1, kMany))
          ->type_name("N");
  CLI::Option* frames = app.add_option("--frames", o.frames,
                                       "pictures a forward; the scene is split (default: all in one forward)")
                            ->check(in_range(1, kMany))
                            ->type_name("K");
  app.add_option("--output_dir", o.output_dir, "folder of the results")
      ->capture_default_str()
      ->type_name("DIR");
  app.add_option(
         "--preprocess", o.images.preprocess,
         "crop: width image_size, height rounded to 14, middle kept; pad: the longer side image_size, white "
         "around (default: crop)")
      ->transform(one_of<Preprocess>({{"crop", Preprocess::kCrop}, {"pad", Preprocess::kPad}}))
      ->type_name("crop|pad");
  app.add_option("--image_size", o.images.image_size, "pixels, a multiple of 14")
      ->capture_default_str()
      ->type_name("PX");
  app.add_option("--input_layout", o.images.layout,
                 "what the model takes: bshw [1,S,3,H,W], bchw [S,3,H,W] (default: bshw)")
      ->transform(one_of<InputLayout>({{"bshw", InputLayout::kBshw}, {"bchw", InputLayout::kBchw}}))
      ->type_name("bshw|bchw");
  app.add_option("--mean", mean, "subtracted from RGB in [0,1] (default: 0,0,0)")
      ->delimiter(',')
      ->type_name("R,G,B");
  app.add_option("--std", std, "then divided by (default: 1,1,1)")->delimiter(',')->type_name("R,G,B");
  app.add_option("--device", o.device, "where the models run")
      ->check(CLI::IsMember({"cpu", "cuda"}).description(""))
      ->capture_default_str()
      ->type_name("cpu|cuda");
  app.add_option("--warmup", o.warmup, "forwards before the timed ones; fewer where one takes over 30 s")
      ->check(in_range(0, 1000))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--runs", o.runs, "timed forwards, of which the median counts")
      ->check(in_range(1, 1000))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--depth_frames", o.depth_frames, "frames a model that depth maps are drawn for")
      ->check(in_range(0, kMany))
      ->capture_default_str()
      ->type_name("N");
  app.add_option(
         "--cloud_points", o.cloud_points,
         "points a model, at most, in scene/*.ply and the report's point cloud, evenly over the pixels "
         "of the first forward; 0: no cloud")
      ->check(in_range(0, kMany))
      ->capture_default_str()
      ->type_name("N");
  app.add_option("--cloud_confidence", o.cloud_confidence,
                 "leave this share of pixels out of it, those the float model is least sure of; 0: none")
      ->check(CLI::Range(0.0, 99.9).description(""))
      ->capture_default_str()
      ->type_name("PERCENT");
  app.add_option(
         "--ground_truth", o.ground_truth,
         "scene in ETH3D's layout: poses, depth and points are scored against it; pictures are matched "
         "by file name")
      ->type_name("DIR");
  app.add_option("--save_reference", o.save_reference, "keep the float model's outputs in FILE")
      ->type_name("FILE");
  app.add_option(
         "--load_reference", o.load_reference,
         "take them from FILE instead of running the float model; refused where model, pictures or how "
         "they are fed differ")
      ->type_name("FILE");
  app.add_flag("--resume", o.resume,
               "go on where a run with the same output_dir ended early: what it had done, and what is still "
               "the same, is not run again");
  CLI::Option* check =
      app.add_option(
             "--check", o.check,
             "repeat the run that wrote this results.json and compare: exit code 1 and a list where figures "
             "differ; flags of files and folders say where those are now; --output_dir: check beside it")
          ->type_name("FILE");
  app.add_option(
         "--tolerance", o.tolerance_db,
         "of --check: dB that PSNR may differ by; other figures as much as errors do then (0.1: 1.2 %)")
      ->check(CLI::Range(0.0, 100.0).description(""))
      ->needs(check)
      ->capture_default_str()
      ->type_name("DB");
  app.add_flag("--quiet", o.quiet, "no progress on stderr");

  std::vector<std::string> reversed;  // CLI11 takes them last first
  o.command_line = "vqt-eval";
  for (const std::string& argument : arguments) {
    reversed.insert(reversed.begin(), with_underscores(argument));
    o.command_line += " " + quoted(argument);
  }
  try {
    app.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    o.help = app.help();
    return o;
  } catch (const CLI::ParseError& e) {
    throw UsageError(fmt::format("{} (vqt-eval --help lists the flags)", e.what()));
  }
  if (!o.check.empty()) {
    std::set<std::string> given;
    for (const CLI::Option* option : app.parse_order()) given.insert(option->get_lnames().at(0));
    for (const std::string& path : models) o.candidates.push_back(open_candidate("model", path));
    return repeated_run(read_results(o.check), o, given);
  }
  if (o.reference.empty()) throw UsageError("--reference is required (vqt-eval --help lists the flags)");
  if (o.image_folder.empty() && o.ground_truth.empty()) {
    throw UsageError(
        "--image_folder: required: a folder of pictures; or --ground_truth: a scene in ETH3D's layout "
        "(vqt-eval "
        "--help lists the flags)");
  }
  if (!o.save_reference.empty() && !o.load_reference.empty())
    throw UsageError("--save_reference: of no use with --load_reference, whose file is already there");
  if (o.device == "cuda") {
    throw UsageError("--device: this build has no CUDA; expected cpu");
  }
  if (o.images.image_size <= 0 || o.images.image_size % kPatch != 0) {
    throw UsageError(
        fmt::format("--image_size: expected a multiple of {}, got {}", kPatch, o.images.image_size));
  }
  check_three("--mean", mean);
  check_three("--std", std);
  std::copy(mean.begin(), mean.end(), o.images.mean.begin());
  std::copy(std.begin(), std.end(), o.images.std.begin());
  if (std::count(std.begin(), std.end(), 0.0) > 0)
    throw UsageError("--std: expected values other than 0, got 0");
  if (max_images->count() == 0) o.max_images = -1;
  if (frames->count() == 0) o.frames = 0;

  std::map<const CLI::Option*, size_t> used;
  for (const CLI::Option* option : app.parse_order()) {  // one entry a value, in the order typed
    const bool lists = option == model || option == config || option == preset;
    if (!lists) continue;
    const std::string source = option == model ? "model" : option == config ? "config" : "preset";
    o.candidates.push_back(open_candidate(source, option->results()[used[option]++]));
  }
  if (o.progressive && !searches.empty()) throw UsageError("--progressive: does not go with --search");
  if (o.candidates.empty() && o.progressive) o.candidates.push_back(open_candidate("preset", "production"));
  if (o.candidates.empty() && searches.empty()) {
    for (const std::string& name : preset_names()) o.candidates.push_back(open_candidate("preset", name));
  }
  if (!searches.empty()) add_combinations(o.candidates, parse_search(searches), o.notes);
  make_names_distinct(o.candidates);
  for (const std::string& text : limits) o.limits.push_back(limit_of_flag(text));
  check_progressive(o);
  return o;
}

}  // namespace vqt
