// A model's reconstruction as COLMAP's files, which COLMAP, nerfstudio, Gaussian splatting and vqt-eval itself
// read. Torch-free.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "eval/results/cloud_figure.h"

namespace vqt {

// Names and contents of cameras, images and points3D, each as .txt and .bin. An image has a camera of its own
// and the number of its place from 1; images whose camera is not known are left out. A point is seen in the
// image it comes from. Of more than `most` points that many are kept, evenly spread.
std::vector<std::pair<std::string, std::string>> colmap_model(const CloudFigure& figure,
                                                              const CloudFigure::Cloud& cloud,
                                                              int64_t most = 100000);

}  // namespace vqt
