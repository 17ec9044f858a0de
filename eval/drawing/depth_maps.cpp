#include "eval/drawing/depth_maps.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "eval/drawing/colour_map.h"

namespace vqt {
namespace {

// Layout of a figure, in pixels.
constexpr int kMargin = 24, kGap = 16, kTitle = 64, kLabel = 34, kLegend = 74, kBar = 14, kLeastWidth = 300;
const cv::Scalar kPaper(255, 255, 255), kInk(40, 36, 33), kSoftInk(120, 112, 104), kFrame(214, 209, 204);
constexpr int kDepthMap = cv::COLORMAP_TURBO;

std::vector<float> difference(const std::vector<float>& a, const std::vector<float>& b) {
  std::vector<float> result(a.size());
  for (size_t i = 0; i < a.size(); ++i) result[i] = std::abs(a[i] - b[i]);
  return result;
}

cv::Mat photo_of(const DepthFrame& frame) {
  const int height = static_cast<int>(frame.height), width = static_cast<int>(frame.width);
  cv::Mat photo(height, width, CV_8UC3);
  const size_t plane = static_cast<size_t>(height) * width;
  for (size_t i = 0; i < plane; ++i) {
    for (int c = 0; c < 3; ++c) {
      photo.data[3 * i + 2 - c] =
          static_cast<uint8_t>(std::lround(255 * std::clamp(frame.photo[c * plane + i], 0.f, 1.f)));
    }
  }
  return photo;
}

std::string number(double value) { return fmt::format("{:.3g}", value); }

void text(cv::Mat& figure, const std::string& words, cv::Point at, double size, const cv::Scalar& colour) {
  cv::putText(figure, words, at, cv::FONT_HERSHEY_SIMPLEX, size, colour, 1, cv::LINE_AA);
}

int text_width(const std::string& words, double size) {
  int baseline = 0;
  return cv::getTextSize(words, cv::FONT_HERSHEY_SIMPLEX, size, 1, &baseline).width;
}

// Hershey fonts know ASCII only.
std::string ascii(std::string words) {
  for (char& c : words) {
    if (c < 32 || c > 126) c = '?';
  }
  return words;
}

std::string fitted(std::string words, double size, int width) {
  if (text_width(words, size) <= width) return words;
  while (!words.empty() && text_width(words + "..", size) > width) words.pop_back();
  return words + "..";
}

// Small maps are drawn in larger squares, so that labels and legends fit.
cv::Mat enlarged(const cv::Mat& panel) {
  const int factor = (kLeastWidth + panel.cols - 1) / panel.cols;
  if (factor <= 1) return panel;
  cv::Mat result;
  cv::resize(panel, result, {}, factor, factor, cv::INTER_NEAREST);
  return result;
}

// A horizontal colour bar with its numbers below.
void legend(cv::Mat& figure, cv::Rect place, int map, double low, double high, const std::string& unit) {
  cv::Mat ramp(1, 256, CV_8U), bar;
  for (int i = 0; i < 256; ++i) ramp.data[i] = static_cast<uint8_t>(i);
  cv::applyColorMap(ramp, bar, map);
  cv::resize(bar, bar, {place.width, kBar}, 0, 0, cv::INTER_NEAREST);
  bar.copyTo(figure({place.x, place.y, place.width, kBar}));
  cv::rectangle(figure, {place.x, place.y, place.width, kBar}, kFrame);
  const int ticks = 5, baseline = place.y + kBar + 20;
  for (int i = 0; i < ticks; ++i) {
    const double f = static_cast<double>(i) / (ticks - 1);
    const std::string words = number(low + f * (high - low));
    const int x = place.x + static_cast<int>(f * (place.width - 1));
    const int w = text_width(words, 0.42);
    cv::line(figure, {x, place.y + kBar}, {x, place.y + kBar + 4}, kSoftInk);
    text(figure, words, {std::clamp(x - w / 2, place.x, place.x + place.width - w), baseline}, 0.42, kInk);
  }
  text(figure, fitted(unit, 0.42, place.width), {place.x, baseline + 20}, 0.42, kSoftInk);
}

// photo | float | quantized | difference, with a title, labels and legends.
cv::Mat figure_of(std::vector<std::pair<std::string, cv::Mat>> panels, const std::string& title,
                  const std::string& subtitle, const DepthScale& scale) {
  for (auto& [label, panel] : panels) panel = enlarged(panel);
  const int w = panels[0].second.cols, h = panels[0].second.rows, n = static_cast<int>(panels.size());
  cv::Mat figure(kTitle + kLabel + h + kLegend + kMargin, 2 * kMargin + n * w + (n - 1) * kGap, CV_8UC3,
                 kPaper);
  text(figure, title, {kMargin, 34}, 0.75, kInk);
  text(figure, subtitle, {kMargin, 58}, 0.48, kSoftInk);
  const int top = kTitle + kLabel;
  for (int i = 0; i < n; ++i) {
    const int x = kMargin + i * (w + kGap);
    text(figure, fitted(panels[i].first, 0.52, w), {x, top - 10}, 0.52, kInk);
    panels[i].second.copyTo(figure({x, top, w, h}));
    cv::rectangle(figure, {x - 1, top - 1, w + 2, h + 2}, kFrame);
  }
  const int y = top + h + 12;
  legend(figure, {kMargin + w + kGap, y, 2 * w + kGap, 0}, kDepthMap, scale.low, scale.high,
         "depth in the model's unit, both maps on one scale; the end colours also cover values beyond it");
  legend(figure, {kMargin + 3 * (w + kGap), y, w, 0}, kDifferenceMap, 0, scale.difference,
         "absolute difference; the last colour also covers larger ones");
  return figure;
}

}  // namespace

DepthScale depth_scale(const DepthFrame& frame) {
  DepthScale scale{finite_percentile(frame.reference, 0.02), finite_percentile(frame.reference, 0.98), 0};
  for (const auto& [name, depth] : frame.models) {
    scale.difference =
        std::max(scale.difference, finite_percentile(difference(frame.reference, depth), 0.99));
  }
  return scale;
}

DepthMap draw_depth(const DepthFrame& frame, const std::string& output, const std::string& reference_name) {
  const int height = static_cast<int>(frame.height), width = static_cast<int>(frame.width);
  const DepthScale scale = depth_scale(frame);
  const cv::Mat photo = photo_of(frame);
  const cv::Mat reference = coloured(frame.reference, height, width, scale.low, scale.high, kDepthMap);
  DepthMap map{output, frame.picture, frame.index, scale, encoded(photo, ".jpg"), encoded(reference, ".jpg"),
               {}};
  for (const auto& [name, depth] : frame.models) {
    const std::vector<float> error = difference(frame.reference, depth);
    double sum = 0;
    int64_t finite = 0;
    for (const float e : error) {
      sum += std::isfinite(e) ? e : 0;
      finite += std::isfinite(e);
    }
    const cv::Mat got = coloured(depth, height, width, scale.low, scale.high, kDepthMap);
    const cv::Mat shared = coloured(error, height, width, 0, scale.difference, kDifferenceMap);
    DepthScale own = scale;
    own.difference = finite_percentile(error, 0.99);
    const cv::Mat off = coloured(error, height, width, 0, own.difference, kDifferenceMap);
    const double mean = finite > 0 ? sum / static_cast<double>(finite) : 0;
    std::string subtitle = fmt::format("{}, image {}: {}   mean |difference| {}", ascii(output),
                                       frame.index + 1, ascii(frame.picture), number(mean));
    if (finite < static_cast<int64_t>(error.size())) {
      subtitle += fmt::format("   grey: {} pixels that are not finite", error.size() - finite);
    }
    const cv::Mat figure = figure_of({{"input", photo},
                                      {ascii("float: " + reference_name), reference},
                                      {ascii("quantized: " + name), got},
                                      {"|float - quantized|", off}},
                                     ascii(name), subtitle, own);
    map.models.push_back(
        {name, encoded(figure, ".png"), encoded(got, ".jpg"), encoded(shared, ".jpg"), mean});
  }
  return map;
}

std::vector<std::string> depth_colours(int count) { return legend_colours(count, kDepthMap); }
std::vector<std::string> difference_colours(int count) { return legend_colours(count, kDifferenceMap); }

}  // namespace vqt
