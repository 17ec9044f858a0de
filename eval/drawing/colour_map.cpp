#include "eval/drawing/colour_map.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <opencv2/imgcodecs.hpp>
#include <stdexcept>

#include "vqt/error.h"
#include "vqt/quantile.h"

namespace vqt {
namespace {
const cv::Scalar kMissing(150, 150, 150);  // NaN and Inf
}

double finite_percentile(std::vector<float> values, double q) {
  values.erase(std::remove_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); }),
               values.end());
  return values.empty() ? 0 : quantile_in_place(values, q);
}

cv::Mat coloured(const std::vector<float>& values, int height, int width, double low, double high, int map) {
  const double span = high > low ? high - low : 1;
  cv::Mat grey(height, width, CV_8U), missing(height, width, CV_8U), result;
  for (size_t i = 0; i < values.size(); ++i) {
    const bool finite = std::isfinite(values[i]);
    const double position = finite ? std::clamp((values[i] - low) / span, 0.0, 1.0) : 0;
    grey.data[i] = static_cast<uint8_t>(std::lround(255 * position));
    missing.data[i] = finite ? 0 : 255;
  }
  cv::applyColorMap(grey, result, map);
  result.setTo(kMissing, missing);
  return result;
}

std::vector<std::string> legend_colours(int count, int map) {
  cv::Mat ramp(1, count, CV_8U), bar;
  for (int i = 0; i < count; ++i) ramp.data[i] = static_cast<uint8_t>(255 * i / (count - 1));
  cv::applyColorMap(ramp, bar, map);
  std::vector<std::string> result;
  for (int i = 0; i < count; ++i) {
    const cv::Vec3b bgr = bar.at<cv::Vec3b>(0, i);
    result.push_back(fmt::format("#{:02x}{:02x}{:02x}", bgr[2], bgr[1], bgr[0]));
  }
  return result;
}

std::string encoded(const cv::Mat& image, const std::string& extension) {
  std::vector<uint8_t> bytes;
  const std::vector<int> options = extension == ".jpg" ? std::vector<int>{cv::IMWRITE_JPEG_QUALITY, 88}
                                                       : std::vector<int>{cv::IMWRITE_PNG_COMPRESSION, 6};
  if (!cv::imencode(extension, image, bytes, options)) throw Error("OpenCV cannot encode " + extension);
  return {bytes.begin(), bytes.end()};
}

}  // namespace vqt
