// Colour maps from numbers to images, and encoded images: shared by depth maps and point clouds.
#pragma once

#include <opencv2/imgproc.hpp>
#include <string>
#include <vector>

namespace vqt {

constexpr int kDifferenceMap = cv::COLORMAP_INFERNO;  // of depths and of points

// Of the finite values (vqt/quantile.h); 0 where there is none.
double finite_percentile(std::vector<float> values, double q);

// BGR by an OpenCV colour map from low to high; grey where a value is not finite.
cv::Mat coloured(const std::vector<float>& values, int height, int width, double low, double high, int map);

// `count` colours of a map from low to high as "#rrggbb", for a legend.
std::vector<std::string> legend_colours(int count, int map);

// extension: ".jpg" or ".png".
std::string encoded(const cv::Mat& image, const std::string& extension);

}  // namespace vqt
