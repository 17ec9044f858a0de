// What a user should hear about the files that images come from.
#pragma once

#include <string>
#include <vector>

#include "loader/images/list_images.h"

namespace vqt {

// One sentence for each: files left out, files of several pages, EXIF orientations that are not applied.
std::vector<std::string> image_notes(const ImageList& list, const std::vector<std::string>& first_of_several);

}  // namespace vqt
