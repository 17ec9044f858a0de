#include "loader/images/image_notes.h"

#include <fmt/format.h>

#include <filesystem>

#include "loader/images/exif.h"

namespace vqt {
namespace {

// "3 images (a.jpg, ...)".
std::string counted(const std::vector<std::string>& names) {
  return fmt::format("{} image{} ({}{})", names.size(), names.size() == 1 ? "" : "s", names[0],
                     names.size() > 1 ? ", ..." : "");
}

}  // namespace

std::vector<std::string> image_notes(const ImageList& list,
                                     const std::vector<std::string>& first_of_several) {
  std::vector<std::string> notes, turned;
  if (!list.left_out.empty()) {
    notes.push_back(fmt::format("{} of {} left out, whose kind is not read; convert them, to PNG for example",
                                counted(list.left_out), list.folder));
  }
  if (!first_of_several.empty()) {
    notes.push_back(
        fmt::format("only the first page or frame is used of {}; save the others as images of their own",
                    counted(first_of_several)));
  }
  for (const std::string& path : list.paths) {
    if (exif_orientation(path) != 1) turned.push_back(std::filesystem::path(path).filename().string());
  }
  if (!turned.empty()) {
    notes.push_back(fmt::format(
        "the EXIF orientation of {} image{} is not applied, as in VGGT's own loader: {}{}; "
        "rotate the pixels of images that should be upright",
        turned.size(), turned.size() == 1 ? "" : "s", turned[0], turned.size() > 1 ? ", ..." : ""));
  }
  return notes;
}

}  // namespace vqt
