// The report's three faces from one made-up run, and depth maps from made-up depths.
#include "eval/report/report_html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>
#include <regex>
#include <sstream>

#include "eval/drawing/depth_maps.h"
#include "eval/drawing/draw_cloud.h"
#include "eval/report/report_text.h"
#include "eval/report/results_json.h"
#include "eval/report/write_report.h"
#include "loader/cli/text_table.h"
#include "tests/temporary_folder.h"

namespace vqt {
namespace {
namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;

DepthFrame frame() {
  DepthFrame f{"a<b>.jpg", 0, 14, 28, {}, {}, {}};
  f.photo.assign(3 * 14 * 28, 0.5f);
  std::vector<float> near, off;
  for (int i = 0; i < 14 * 28; ++i) {
    f.reference.push_back(1 + i / 100.f);
    near.push_back(f.reference.back() + 0.001f);
    off.push_back(f.reference.back() + 0.5f);
  }
  off[0] = std::numeric_limits<float>::quiet_NaN();
  f.models = {{"good", near}, {"</script><b>bad", off}};
  return f;
}

CloudPoints cloud() {
  CloudPoints c;
  c.output = "world_points";
  c.pictures = 1;
  c.reference = {{0, 0, 1, 1, 0, 1}, {}};
  c.colours = {1, 2, 3, 4, 5, 6};
  c.models = {{"good", {{0, 0, 1, 1, 0, 1}, {}}}, {"</script><b>bad", {{0, 0, 2, NAN, 0, 1}, {}}}};
  return c;
}

Metrics metrics(double psnr, double mae) {
  Metrics m;
  m.count = 10;
  m.psnr_db = psnr;
  m.cosine = 0.999;
  m.mae = mae;
  return m;
}

Cost cost(int64_t bytes, double ms, int64_t peak) {
  Cost c;
  c.size_bytes = bytes;
  c.ms_per_image = ms;
  c.all_ms = {ms, ms, ms};
  c.warmup = 2;
  c.peak_memory_bytes = peak;
  return c;
}

EvalReport made_up() {
  EvalReport r;
  r.environment = {
      {"cpu", "A CPU"}, {"gpu", nullptr}, {"threads", 2}, {"command_line", "vqt-eval --reference r.pt"}};
  r.scene = {"photos", {"a<b>.jpg"}, 14, 28, "crop", "bshw", 1};
  r.reference.name = "ref";
  r.reference.path = "r.pt";
  r.reference.cost = cost(1000000, 40, 3000000);
  r.reference.outputs = {{"depth", {1, 1, 14, 28, 1}, 1, 5}, {"pose", {1, 9}, 0, 1}};
  Metrics equal;
  equal.count = 9;
  equal.equal = true;
  Metrics constant = metrics(0, 0.5);
  constant.psnr_db.reset();
  const Json sites = {{{"name", "a.qkv"},
                       {"shape", {8, 4}},
                       {"action", "quantized"},
                       {"scheme", "w8a8"},
                       {"reason", ""},
                       {"calls", 1},
                       {"bytes_before", 128},
                       {"bytes_after", 64},
                       {"weight_sqnr_db", 40.5}},
                      {{"name", "head"},
                       {"shape", {8, 4}},
                       {"action", "float"},
                       {"scheme", "float32"},
                       {"reason", "last site"},
                       {"calls", 1},
                       {"bytes_before", 128},
                       {"bytes_after", 128},
                       {"weight_sqnr_db", nullptr}}};
  ModelResult good, bad;
  good.name = good.path = "good";
  good.source = "preset";
  good.config = {{"quant_type", "int8_per_channel_sym"}};
  good.sites = sites;
  good.cost = cost(250000, 20, 1500000);
  good.outputs = {{"depth", metrics(45.25, 0.01)}, {"pose", equal}};
  bad.name = "</script><b>bad";
  bad.path = "b.pt";
  bad.source = "model";
  bad.cost = cost(500000, 80, 1500000);
  bad.outputs = {{"depth", metrics(20.5, 0.5)}, {"pose", constant}};
  bad.notes = {"a note"};
  r.models = {good, bad};
  r.depth_maps = {draw_depth(frame(), "depth", "ref")};
  r.cloud = draw_cloud(cloud(), "ref");
  return r;
}

TEST(ResultsJson, HasTheContractsKeysAndValues) {
  const Json j = results_json(made_up());
  EXPECT_EQ(j["environment"]["cpu"], "A CPU");
  EXPECT_TRUE(j["environment"]["gpu"].is_null());
  EXPECT_EQ(j["reference"]["size_bytes"], 1000000);
  EXPECT_EQ(j["models"].size(), 2u);
  const Json& good = j["models"][0];
  for (const char* key : {"name", "config", "size_bytes", "compression", "ms_per_image", "peak_memory_bytes",
                          "outputs", "sites"}) {
    EXPECT_TRUE(good.contains(key)) << key;
  }
  for (const char* key : {"mae", "rmse", "psnr_db", "cosine", "max_error", "p50", "p90", "p99"}) {
    EXPECT_TRUE(good["outputs"]["depth"].contains(key)) << key;
  }
  EXPECT_EQ(good["compression"], 4.0);
  EXPECT_EQ(good["config"]["quant_type"], "int8_per_channel_sym");
  EXPECT_EQ(good["scheme"], "w8a8");
  EXPECT_EQ(good["outputs"]["depth"]["psnr_db"], 45.25);
  EXPECT_TRUE(good["outputs"]["pose"]["psnr_db"].is_null());
  EXPECT_EQ(good["outputs"]["pose"]["equal"], true);
  EXPECT_EQ(good["sites"].size(), 2u);
  EXPECT_TRUE(j["models"][1]["config"].is_null());
  EXPECT_TRUE(j["models"][1]["sites"].is_null());
  EXPECT_EQ(j["depth_maps"].size(), 1u);
  EXPECT_NEAR(j["depth_maps"][0]["mean_difference"]["good"], 0.001, 1e-5);
  EXPECT_NEAR(j["depth_maps"][0]["difference_scale"], 0.5, 1e-5);
  EXPECT_TRUE(j["cloud"]["confidence"].is_null());
  EXPECT_EQ(j["cloud"]["reference"], Json({{"file", "scene/float.ply"}, {"points", 2}}));
  EXPECT_EQ(j["cloud"]["models"]["</script><b>bad"]["points"], 1);
  EXPECT_EQ(j["cloud"]["models"]["</script><b>bad"]["mean_distance"], 1);
}

TEST(SummaryText, PrintsInfForEqualAndADashForAConstantReference) {
  const std::string text = summary_text(made_up());
  EXPECT_THAT(text, HasSubstr("4.00x"));  // smaller
  EXPECT_THAT(text, HasSubstr("2.00x"));  // faster, and the other model's size
  EXPECT_THAT(text, HasSubstr("0.50x"));  // slower
  EXPECT_TRUE(std::regex_search(text, std::regex("pose +inf +-")));
  EXPECT_TRUE(std::regex_search(text, std::regex("depth +45.2 +20.5")));
  EXPECT_THAT(text, HasSubstr("note: </script><b>bad: a note"));
}

TEST(ReportText, StaysWithin100ColumnsAndBeginsWithTheAnswer) {
  EvalReport r = made_up();
  r.models[0].name = std::string(70, 'n');
  r.models[1].name =
      "models may have names of many words, or of \xc3\xa9\xc3\xa9\xc3\xa9" + std::string(90, 'm');
  for (CloudFigure::Cloud& c : r.cloud->models) c.file = "scene/" + r.models[0].name + r.models[0].name;
  r.reference.outputs[0].path = r.models[0].outputs[0].first = r.models[1].outputs[0].first =
      "heads.with.a.long.path." + std::string(90, 'p');
  r.environment["command_line"] =
      "vqt-eval --reference " + std::string(60, 'r') + " --image_folder " + std::string(60, 'f');
  std::istringstream lines(report_text(r));
  int number = 0, answer = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    EXPECT_LE(cli::text_length(line), 100u) << line;
    if (line.find("4.00x") != std::string::npos && answer == 0) answer = number;
  }
  EXPECT_GT(answer, 0);
  EXPECT_LT(answer, 10);
}

TEST(ReportText, NamesTheCloudsFilesWithTheirDistances) {
  const std::string text = report_text(made_up());
  // The float points are 1 and sqrt(2) from the camera, 1.2071 on average; one point moved by 1.
  EXPECT_TRUE(std::regex_search(text, std::regex("scene/float.ply +2\n")));
  EXPECT_TRUE(std::regex_search(text, std::regex("scene/good.ply +2 +0 +0\n")));
  EXPECT_TRUE(std::regex_search(text, std::regex("scene/__script__b_bad.ply +1 +82.8 +82.8\n")));
  EvalReport without = made_up();
  without.cloud.reset();
  EXPECT_THAT(report_text(without), Not(HasSubstr("point cloud")));
}

TEST(SummaryText, BeginsWithTheBestModelsInWords) {
  EvalReport r = made_up();
  r.models[1].name = "bad";
  EXPECT_THAT(summary_text(r),
              testing::StartsWith(R"(take `good`: 4.00x smaller, 2.00x faster, worst output 45.2 dB (depth)
closest to float  good  lowest PSNR 45.2 dB (output depth)
smallest          good  0.25 MB, 4.00x smaller than the float model
fastest           good  20.0 ms per image, 2.00x faster than the float model

1 image of photos, )"));
  EXPECT_THAT(report_text(r), testing::StartsWith("vqt-eval report\n\ntake `good`: 4.00x smaller"));
  r.models[0].name = std::string(20, 'n') + std::string(40, 'm');
  EXPECT_THAT(summary_text(r), HasSubstr("\nsmallest          " + r.models[0].name + ": 0.25 MB, 4.00x"));
  r.models.pop_back();
  EXPECT_THAT(
      summary_text(r),
      testing::StartsWith("take `" + r.models[0].name +
                          "`: 4.00x smaller, 2.00x faster,\n  worst output 45.2 dB (depth)\n\n1 image"));
  r.models[0].outputs[0].second.psnr_db = 20;
  r.models[0].name = "rough";
  EXPECT_THAT(summary_text(r),
              testing::StartsWith(
                  "rough is 4.00x smaller and 2.00x faster than the float model; lowest PSNR 20.0 dB "
                  "(output depth)\nno model to take; the closest to float, `rough`: worst output 20.0 dB "
                  "(depth), less than 35 dB; try\n  more bits"));
  r.models.clear();
  EXPECT_THAT(summary_text(r), testing::StartsWith("1 image of photos"));
}

TEST(ReportHtml, IsSelfContainedAndEscaped) {
  const std::string html = report_html(made_up());
  EXPECT_THAT(html, HasSubstr("Chart.js v"));
  EXPECT_THAT(html, HasSubstr("data:image/jpeg;base64,/9j/"));
  EXPECT_FALSE(std::regex_search(html, std::regex("(src|href)\\s*=\\s*[\"']?(https?:|//)")));
  EXPECT_THAT(html, Not(HasSubstr("@import")));
  EXPECT_THAT(html, Not(HasSubstr("<link")));
  // Three scripts open and three close: the name that holds </script> stays data.
  size_t closes = 0;
  for (size_t at = 0; (at = html.find("</script>", at)) != std::string::npos; ++at) ++closes;
  EXPECT_EQ(closes, 3u);
  const size_t begin = html.find("id=\"data\">") + 10;
  const Json data = Json::parse(html.substr(begin, html.find("</script>", begin) - begin));
  EXPECT_EQ(data["results"], results_json(made_up()));
  EXPECT_EQ(data["depth_maps"][0]["models"][1]["name"], "</script><b>bad");
  EXPECT_EQ(data["cloud"]["models"][1]["name"], "</script><b>bad");
}

TEST(WriteReport, WritesEveryFileAndNoOther) {
  const TemporaryFolder temporary;
  const std::string folder = temporary.path();
  EXPECT_EQ(write_report(made_up(), folder), folder + "/report.html");
  std::vector<std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (entry.is_regular_file()) files.push_back(fs::relative(entry.path(), folder).string());
  }
  EXPECT_THAT(files, testing::UnorderedElementsAre(
                         "results.json", "report.txt", "report.html", "depth/good_001_a_b_.png",
                         "depth/__script__b_bad_001_a_b_.png", "scene/float.ply", "scene/good.ply",
                         "scene/__script__b_bad.ply", "scene/float.glb", "scene/good.glb",
                         "scene/__script__b_bad.glb", "best/accuracy.json", "best/size.json",
                         "best/speed.json", "best/recommended.json"));
  std::ifstream json(folder + "/results.json");
  EXPECT_EQ(Json::parse(json), results_json(made_up()));
}

TEST(DepthScale, IsSharedByAllModelsOfAPicture) {
  DepthFrame f = frame();
  const DepthScale scale = depth_scale(f);
  EXPECT_NEAR(scale.low, 1 + 0.02 * 391 / 100, 0.006);
  EXPECT_NEAR(scale.high, 1 + 0.98 * 391 / 100, 0.006);
  EXPECT_NEAR(scale.difference, 0.5, 1e-5);  // the worse of the two; its NaN does not count
}

TEST(DrawDepth, DrawsTheFigureAndItsPanels) {
  const DepthMap map = draw_depth(frame(), "depth", "ref");
  ASSERT_EQ(map.models.size(), 2u);
  EXPECT_NEAR(map.models[0].mean_difference, 0.001, 1e-5);
  EXPECT_NEAR(map.models[1].mean_difference, 0.5, 1e-5);
  const auto decoded = [](const std::string& bytes) {
    return cv::imdecode(std::vector<uint8_t>(bytes.begin(), bytes.end()), cv::IMREAD_COLOR);
  };
  EXPECT_EQ(decoded(map.photo_jpeg).size(), cv::Size(28, 14));
  const cv::Mat figure = decoded(map.models[1].png);
  ASSERT_FALSE(figure.empty());
  EXPECT_GT(figure.cols, 4 * 28);
  // The difference panel of the shifted map is one bright colour, that of the near one is almost black.
  EXPECT_GT(cv::mean(decoded(map.models[1].difference_jpeg))[1], 150);
  EXPECT_LT(cv::mean(decoded(map.models[0].difference_jpeg))[1], 10);
}

TEST(TextTable, AlignsAndKeepsTheWidth) {
  EXPECT_EQ(cli::text_table({{"model", "MB"}, {"a", "100"}, {"long", "7"}}),
            "model   MB\na      100\nlong     7\n");
  EXPECT_EQ(cli::text_table({{"n", "v"}, {"abcdefghijklmnopqrst", "1"}}, {13}),
            "n           v\nabcd..qrst  1\n");
  EXPECT_EQ(cli::text_table({{"model", "v"}, {"two words here", "1"}, {"b", "2"}}, {14}),
            "model        v\ntwo words here\n             1\nb            2\n");
  EXPECT_EQ(cli::text_table({{"\xc3\xa9\xc3\xa9", "1"}, {"abc", "2"}}), "\xc3\xa9\xc3\xa9   1\nabc  2\n");
}

TEST(Wrapped, BreaksAtSpacesAndInsideLongWords) {
  EXPECT_EQ(cli::wrapped("short\n", 2, 10), "short\n");
  EXPECT_EQ(cli::wrapped("one two three four\nx\n", 2, 10), "one two\n  three\n  four\nx\n");
  EXPECT_EQ(cli::wrapped("abcdefghijklmno\n", 2, 10), "abcdefghij\n  klmno\n");
  EXPECT_EQ(cli::wrapped("a\n\nb\n", 2, 10), "a\n\nb\n");
}

}  // namespace
}  // namespace vqt
