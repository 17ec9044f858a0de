// report.html: a page, a charting library and the data in one file. The page draws itself (page/*.js).
#include "eval/report/report_html.h"

#include <algorithm>

#include "eval/drawing/depth_maps.h"
#include "eval/report/results_json.h"

// The files of page/ and the charting library, copied into the binary.
#define VQT_FILE(path) ".incbin \"" path "\"\n"
#define VQT_EMBED(name, files)                                                \
  __asm__(                                                                    \
      ".pushsection .rodata\n"                                                \
      ".global " #name "\n" #name ":\n" files ".global " #name "_end\n" #name \
      "_end:\n"                                                               \
      ".byte 0\n"                                                             \
      ".popsection\n");                                                       \
  extern "C" const char name[], name##_end[];
#define VQT_PAGE(file) VQT_FILE(VQT_REPORT_DIR "/" file)
VQT_EMBED(vqt_report_page, VQT_PAGE("report.html"))
VQT_EMBED(vqt_report_style, VQT_PAGE("style.css"))
// One script: each file uses what those before it define.
VQT_EMBED(vqt_report_script,
          VQT_PAGE("base.js") VQT_PAGE("charts.js") VQT_PAGE("ground_truth.js") VQT_PAGE("pareto.js")
              VQT_PAGE("summary.js") VQT_PAGE("errors.js") VQT_PAGE("depth.js") VQT_PAGE("cloud.js")
                  VQT_PAGE("cameras.js") VQT_PAGE("progressive.js") VQT_PAGE("layers.js") VQT_PAGE("run.js")
                      VQT_PAGE("report.js"))
VQT_EMBED(vqt_chart_library, VQT_FILE(VQT_CHART_JS))
#undef VQT_PAGE
#undef VQT_EMBED
#undef VQT_FILE

namespace vqt {
namespace {

std::string base64(const std::string& bytes) {
  static const char kDigits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t group = 0;
    for (size_t k = 0; k < 3; ++k)
      group = group << 8 | (i + k < bytes.size() ? static_cast<uint8_t>(bytes[i + k]) : 0);
    for (size_t k = 0; k < 4; ++k) text += i + k > bytes.size() ? '=' : kDigits[group >> (18 - 6 * k) & 63];
  }
  return text;
}

std::string jpeg(const std::string& bytes) { return "data:image/jpeg;base64," + base64(bytes); }

Json depth_json(const std::vector<DepthMap>& maps) {
  Json all = Json::array();
  for (const DepthMap& map : maps) {
    Json models = Json::array();
    for (const DepthMap::Model& m : map.models) {
      models.push_back({{"name", m.name},
                        {"depth", jpeg(m.depth_jpeg)},
                        {"difference_map", jpeg(m.difference_jpeg)},
                        {"mean_difference", m.mean_difference}});
    }
    all.push_back({{"output", map.output},
                   {"picture", map.picture},
                   {"index", map.index},
                   {"low", map.scale.low},
                   {"high", map.scale.high},
                   {"difference", map.scale.difference},
                   {"photo", jpeg(map.photo_jpeg)},
                   {"reference", jpeg(map.reference_jpeg)},
                   {"models", models}});
  }
  return all;
}

Json cloud_json(const std::optional<CloudFigure>& cloud) {
  if (!cloud) return nullptr;
  Json models = Json::array();
  for (const CloudFigure::Cloud& c : cloud->models)
    models.push_back(
        {{"name", c.name}, {"picture", jpeg(c.picture)}, {"distance", jpeg(c.distance_picture)}});
  return {{"reference", jpeg(cloud->reference.picture)}, {"models", models}};
}

// A script element must not contain text that looks like its end.
std::string for_script(const Json& json) {
  std::string text;
  for (const char c : json.dump(-1, ' ', false, Json::error_handler_t::replace)) {
    text += c == '<' ? std::string("\\u003c") : std::string(1, c);
  }
  return text;
}

void put(std::string& page, const std::string& mark, const std::string& content) {
  const size_t at = page.find(mark);
  page.replace(at, mark.size(), content);
}

}  // namespace

std::string report_html(const EvalReport& report) {
  const Json data = {{"results", results_json(report)},
                     {"depth_maps", depth_json(report.depth_maps)},
                     {"cloud", cloud_json(report.cloud)},
                     {"colours", {{"depth", depth_colours(17)}, {"difference", difference_colours(17)}}}};
  std::string page(vqt_report_page, vqt_report_page_end);
  put(page, "@SCRIPT@", {vqt_report_script, vqt_report_script_end});
  put(page, "@DATA@", for_script(data));
  put(page, "@CHART_JS@", {vqt_chart_library, vqt_chart_library_end});
  put(page, "@STYLE@", {vqt_report_style, vqt_report_style_end});
  return page;
}

}  // namespace vqt
