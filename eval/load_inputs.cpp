#include "eval/load_inputs.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "eval/compare/score_ground_truth.h"
#include "eval/ground_truth/scene_layout.h"
#include "eval/runs/job.h"
#include "loader/cli/interrupts.h"
#include "loader/images/image_notes.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;

ImageProgress progress_on(cli::ProgressBar& console) {
  return [&console](int64_t done, int64_t total) {
    cli::throw_if_interrupted();
    console.update(done, total);
  };
}

// Of the folder given, else of the scene with ground truth. Where that scene keeps depth maps beside its
// images, these are told apart by how their names end.
ImageList chosen_images(const RunSettings& settings) {
  std::string folder = settings.image_folder, ending;
  if (!settings.ground_truth.empty()) {
    const SceneLayout& layout = scene_layout(settings.ground_truth);
    if (folder.empty()) folder = layout.images(settings.ground_truth);
    ending = layout.image_ending;
  }
  ImageList list = list_images(folder);
  const auto ends = [&](const std::string& image) {
    return image.size() >= ending.size() &&
           image.compare(image.size() - ending.size(), std::string::npos, ending) == 0;
  };
  if (std::any_of(list.paths.begin(), list.paths.end(), ends)) {
    list.paths.erase(std::remove_if(list.paths.begin(), list.paths.end(),
                                    [&](const std::string& image) { return !ends(image); }),
                     list.paths.end());
  }
  if (settings.max_images > 0 && static_cast<size_t>(settings.max_images) < list.paths.size())
    list.paths.resize(settings.max_images);
  return list;
}

}  // namespace

void add_note(EvalReport& report, cli::ProgressBar& console, const std::string& text) {
  report.notes.push_back(text);
  console.warn(text);
}

ImageFile load_images(const RunSettings& settings, const std::string& path, EvalReport& report,
                      cli::ProgressBar& console) {
  const ImageList list = chosen_images(settings);
  if (list.from_subfolder) {
    report.notes.push_back(fmt::format("no images directly in {}; used its subfolder {}",
                                       fs::path(list.folder).parent_path().string(), list.folder));
    console.note(report.notes.back());
  }
  console.start("images");
  ImageFile images = write_images(list, settings.images, path, progress_on(console));
  console.finish();
  for (const std::string& note : image_notes(list, images.first_of_several)) add_note(report, console, note);
  report.scene = {list.folder,
                  images.names,
                  images.frame.height,
                  images.frame.width,
                  nlohmann::json(settings.images.preprocess),
                  nlohmann::json(settings.images.layout),
                  settings.frames > 0 ? std::min(settings.frames, images.count()) : images.count()};
  return images;
}

std::optional<TruthStore> load_ground_truth(const RunSettings& settings, const ImageFile& images,
                                            const std::string& path, EvalReport& report,
                                            cli::ProgressBar& console) {
  if (settings.ground_truth.empty()) return {};
  console.start("ground truth");
  std::optional<TruthStore> truth(std::in_place, read_scene(settings.ground_truth, images.names),
                                  images.names, images.placements, images.frame, path, progress_on(console));
  console.finish();
  for (const std::string& text : truth->scene().notes) add_note(report, console, text);
  GroundTruth& shown = report.ground_truth.emplace();
  shown.folder = settings.ground_truth;
  shown.layout = truth->scene().layout;
  shown.depth_source = truth->scene().depth_source;
  shown.cameras = true_cameras(truth->scene());
  for (const PictureTruth& picture : truth->scene().pictures) shown.pictures += picture.known;
  if (!shown.depth_source.empty() && truth->depth_pixels() == 0) {
    add_note(report, console,
             "ground truth: no pixel of the prepared images has a known depth; only poses are scored");
  }
  return truth;
}

}  // namespace vqt
