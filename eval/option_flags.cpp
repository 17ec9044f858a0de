#include "eval/option_flags.h"

#include <fmt/format.h>

#include "loader/cli/load_library.h"
#include "loader/cli/max_memory_flag.h"

namespace vqt {
namespace {

using cli::Flag, cli::Flags, cli::kFile, cli::kFolder, cli::ValueNames;

const ValueNames<std::string> kDevices = {{"cpu", "cpu"}, {"cuda", "cuda"}};

const char* const kFooter =
    "The images directly in the image folder (or in its only subfolder that has some), sorted bytewise by "
    "name, are one scene. Flags may be written with underscores too: --image_folder is --image-folder. Flags "
    "that take several values may be repeated. Without --model, --config, --preset and --search all "
    "presets are compared.\n"
    "\n"
    "Exit codes: 0 done, 1 the work failed or --check found a difference, 2 bad usage (flags, content of a "
    "config). The result goes to stdout, progress and warnings to stderr.\n"
    "\n"
    "Example:\n"
    "  vqt-eval --reference vggt.pt --preset production smallest --image-folder photos";

// Whose values are read once all flags are known.
void add_values(Flags& flags, const char* name, const char* placeholder, const char* expected,
                const std::string& help, std::vector<std::string>& values) {
  flags.texts(name, values, {placeholder, expected}, help);
}

// Read from what Flags::parse returns: the order among them counts.
void add_ordered(Flags& flags, const char* name, const char* placeholder, const char* expected,
                 const std::string& help) {
  flags.add({{name}, Flag::Takes::kValues, placeholder, expected, help, "", [](const std::string&) {}});
}

void add_models(Flags& flags, RunSettings& s) {
  flags.group("Models");
  flags.text("--reference", s.reference, kFile, "TorchScript file of the float model");
  add_ordered(flags, "--model", "FILE...", kFile.expected, "TorchScript files to compare with it");
  add_ordered(flags, "--config", "FILE...", kFile.expected,
              "config files; the reference is quantized by each");
  add_ordered(flags, "--preset", "NAME...", "the name of a preset",
              fmt::format("the reference is quantized by each: {}", preset_list()));
  flags.offer(preset_names());
  add_library_flag(flags, s.libraries);
  flags.choice("--device", s.device, kDevices, "where the models run");
}

void add_search(Flags& flags, RunSettings& s, TypedValues& typed) {
  flags.group("Search for a config");
  add_values(
      flags, "--search", "FIELD=V,V...", "FIELD=VALUE,VALUE,... such as group_size=32,64",
      "try values of a field of the config, such as group_size=32,64,128 or ignore=,head (for a list: one "
      "value at a time, or none); several fields: every combination, over every --config and --preset "
      "(default: production), at most 200",
      typed.searches);
  flags.on(
      "--progressive", s.progressive,
      "int8 (the --config or --preset given, default: production), then int4, at once or module group by "
      "module group, each step taken only while every --limit holds; writes progressive.json, a config");
  add_values(flags, "--limit", "METRIC=VALUE...", "METRIC=VALUE such as psnr=35",
             "accuracy that --progressive keeps: psnr=35, dB of the output with the lowest PSNR; with "
             "--ground-truth also auc_30=-2 and abs_rel=+5%, how much worse than the float model, or "
             "abs_rel=0.1, the bound itself",
             typed.limits);
  flags.integer("--int4-group-size", s.int4_group_size, {1}, "N",
                "weights per scale in 4 bits of --progressive");
}

void add_images(Flags& flags, RunSettings& s, TypedValues& typed) {
  flags.group("Images");
  flags.text("--image-folder", s.image_folder, kFolder,
             "folder with the images of one scene (default with --ground-truth: its images)");
  flags.integer("--max-images", s.max_images, {1}, "N", "use the first N images", "all");
  flags.integer("--frames", s.frames, {1}, "K",
                "images per forward pass; the scene is split into batches of K", "all");
  cli::add_image_flags(flags, s.images, typed.channels);
}

void add_measurement(Flags& flags, RunSettings& s) {
  flags.group("Measurement");
  flags.integer("--warmup", s.warmup, {0, 1000}, "N",
                "forward passes before the timed ones; fewer where one takes over 30 s");
  flags.integer("--runs", s.runs, {1, 1000}, "N", "timed forward passes, of which the median counts");
  flags.text(
      "--ground-truth", s.ground_truth, kFolder,
      "scene of ETH3D, COLMAP, 7-Scenes, TUM or nerfstudio: poses, depth and points are scored against it; "
      "images are matched by file name");
}

void add_plan(Flags& flags, RunSettings& s) {
  flags.group("Instead of comparing");
  flags.on(
      "--plan", s.plan,
      "print the peak memory and time that a forward pass of each model would take with 1, 2, 4, ... images, up "
      "to --frames (all), and end");
  cli::add_max_memory_flag(flags, s.max_memory);
}

void add_results(Flags& flags, RunSettings& s) {
  flags.group("Results");
  flags.text("--output-dir", s.output_dir, kFolder, "folder of the results");
  flags.integer("--depth-frames", s.depth_frames, {0}, "N", "frames per model that depth maps are drawn for");
  flags.integer(
      "--cloud-points", s.cloud_points, {0}, "N",
      "points per model, at most, in scene/ and the report's point cloud, evenly over the pixels of "
      "the first forward pass; 0: no cloud");
  flags.number("--cloud-confidence", s.cloud_confidence, {0, 99.9}, "PERCENT",
               "leave this share of pixels out of it, the float model's least confident ones; 0: none");
  flags.on("--quiet", s.quiet, "no progress on stderr");
}

void add_repetition(Flags& flags, RunSettings& s) {
  flags.group("Earlier runs");
  flags.text("--save-reference", s.save_reference, kFile, "keep the float model's outputs in FILE");
  flags.text(
      "--load-reference", s.load_reference, kFile,
      "take them from FILE instead of running the float model; refused where model, images or how they are "
      "prepared differ");
  flags.on(
      "--resume", s.resume,
      "go on where a run with the same --output-dir ended early: what it had done, and what is still the "
      "same, is not run again");
  flags.text("--check", s.check, kFile,
             "repeat the run that wrote this results.json and compare: exit code 1 and a list where figures "
             "differ; flags of files and folders say where those are now; --output-dir: check beside it");
  flags.number(
      "--tolerance", s.tolerance_db, {0, 100}, "DB",
      "of --check: dB that PSNR may differ by; other figures as much as errors do then (0.1: 1.2 %)");
}

}  // namespace

Flags option_flags(RunSettings& settings, TypedValues& typed) {
  Flags flags({"vqt-eval", VQT_VERSION,
               "Scores quantized models against a float model on the images of a folder.",
               "vqt-eval --reference FILE --image-folder DIR [--model FILE...] [--preset NAME...] [flags]\n"
               "       vqt-eval --check results.json [flags]",
               kFooter});
  add_models(flags, settings);
  add_search(flags, settings, typed);
  add_images(flags, settings, typed);
  add_measurement(flags, settings);
  add_plan(flags, settings);
  add_results(flags, settings);
  add_repetition(flags, settings);
  return flags;
}

}  // namespace vqt
