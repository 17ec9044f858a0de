#include "loader/images/list_images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace vqt {
namespace {
namespace fs = std::filesystem;

constexpr const char* kRead[] = {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".webp",
                                 ".tif", ".tiff", ".pbm", ".pgm",  ".ppm", ".pnm", ".pam"};
constexpr const char* kNotRead[] = {".heic", ".heif", ".avif", ".gif", ".jp2", ".j2k", ".jxl",
                                    ".exr",  ".hdr",  ".pfm",  ".tga", ".psd", ".dng", ".cr2",
                                    ".cr3",  ".nef",  ".arw",  ".orf", ".rw2", ".raf"};

template <class Endings>
bool ends_in(const fs::path& path, const Endings& endings) {
  std::string ending = path.extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(std::begin(endings), std::end(endings), ending) != std::end(endings);
}

std::vector<fs::directory_entry> entries(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error) throw Error(fmt::format("{}: cannot read the folder: {}", folder.string(), error.message()));
  return {it, fs::directory_iterator()};
}

ImageList images_in(const fs::path& folder) {
  ImageList list{folder.string(), false, {}, {}};
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : entries(folder)) {
    std::error_code ignored;
    const std::string name = entry.path().filename().string();
    if (!entry.is_regular_file(ignored) || name[0] == '.') continue;
    if (ends_in(entry.path(), kRead)) found.push_back(entry.path());
    if (ends_in(entry.path(), kNotRead)) list.left_out.push_back(name);
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().native() < b.filename().native();  // std::string compares bytes as unsigned char
  });
  std::sort(list.left_out.begin(), list.left_out.end());
  for (const fs::path& path : found) list.paths.push_back(path.string());
  return list;
}

}  // namespace

ImageList list_images(const std::string& folder, int64_t max_images) {
  if (max_images == 0) throw Error("max_images: expected at least 1, got 0");
  if (!fs::is_directory(folder)) {
    throw Error(fmt::format(
        "{}: {}", folder, fs::exists(folder) ? "is a file; expected a folder of images" : "no such folder"));
  }
  ImageList list = images_in(folder);
  if (list.paths.empty()) {
    const std::vector<std::string> left_out = list.left_out;
    std::vector<std::string> with_images;
    for (const fs::directory_entry& entry : entries(folder)) {
      if (!entry.is_directory() || entry.path().filename().string()[0] == '.') continue;
      ImageList inside = images_in(entry.path());
      if (inside.paths.empty()) continue;
      with_images.push_back(entry.path().string());
      list = std::move(inside);
      list.from_subfolder = true;
    }
    std::sort(with_images.begin(), with_images.end());
    if (with_images.empty()) {
      throw Error(fmt::format(
          "{}: no images in it (jpg, jpeg, png, bmp, webp, tif, tiff, pbm, pgm, ppm, pam){}", folder,
          left_out.empty() ? ""
                           : fmt::format("; {} files of other kinds, such as {}: convert them, "
                                         "to PNG for example",
                                         left_out.size(), left_out[0])));
    }
    if (with_images.size() > 1) {
      throw Error(fmt::format("{}: images in several subfolders, one scene is needed; name one of: {}",
                              folder, fmt::join(with_images, ", ")));
    }
  }
  if (max_images > 0 && static_cast<size_t>(max_images) < list.paths.size()) list.paths.resize(max_images);
  return list;
}

}  // namespace vqt
