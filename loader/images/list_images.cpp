#include "loader/images/list_images.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cctype>
#include <filesystem>

namespace vqt {
namespace {
namespace fs = std::filesystem;

bool is_image(const fs::directory_entry& entry) {
  static const std::vector<std::string> kExtensions = {".jpg", ".jpeg", ".png", ".bmp", ".webp",
                                                       ".tif", ".tiff", ".ppm", ".pgm"};
  std::error_code ignored;
  if (!entry.is_regular_file(ignored) || entry.path().filename().string()[0] == '.') return false;
  std::string extension = entry.path().extension().string();
  std::transform(extension.begin(), extension.end(), extension.begin(),
                 [](unsigned char c) { return std::tolower(c); });
  return std::find(kExtensions.begin(), kExtensions.end(), extension) != kExtensions.end();
}

std::vector<fs::directory_entry> entries(const fs::path& folder) {
  std::error_code error;
  fs::directory_iterator it(folder, error);
  if (error) throw Error(fmt::format("{}: cannot read the folder: {}", folder.string(), error.message()));
  return {it, fs::directory_iterator()};
}

std::vector<std::string> images_in(const fs::path& folder) {
  std::vector<fs::path> found;
  for (const fs::directory_entry& entry : entries(folder)) {
    if (is_image(entry)) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end(), [](const fs::path& a, const fs::path& b) {
    return a.filename().native() < b.filename().native();  // std::string compares bytes as unsigned char
  });
  std::vector<std::string> paths;
  for (const fs::path& path : found) paths.push_back(path.string());
  return paths;
}

}  // namespace

ImageList list_images(const std::string& folder, int64_t max_images) {
  if (max_images == 0) throw Error("max_images: expected at least 1, got 0");
  if (!fs::is_directory(folder)) {
    throw Error(fmt::format(
        "{}: {}", folder, fs::exists(folder) ? "is a file; expected a folder of images" : "no such folder"));
  }
  ImageList list{folder, false, images_in(folder)};
  if (list.paths.empty()) {
    std::vector<std::string> with_images;
    for (const fs::directory_entry& entry : entries(folder)) {
      if (!entry.is_directory() || entry.path().filename().string()[0] == '.') continue;
      std::vector<std::string> inside = images_in(entry.path());
      if (inside.empty()) continue;
      with_images.push_back(entry.path().string());
      list = {entry.path().string(), true, std::move(inside)};
    }
    std::sort(with_images.begin(), with_images.end());
    if (with_images.empty()) {
      throw Error(
          fmt::format("{}: no images in it (jpg, jpeg, png, bmp, webp, tif, tiff, ppm, pgm)", folder));
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
