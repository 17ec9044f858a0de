// What a run found, and the three ways it is told: results.json, report.txt, report.html. Torch-free.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "depth_maps.h"
#include "metrics.h"

namespace vqt {

using Json = nlohmann::ordered_json;

struct Cost {
  int64_t size_bytes = 0;  // of the archive
  double ms_per_image = 0;
  std::vector<double> all_ms;  // of the whole scene, one a timed run
  int64_t warmup = 0;
  int64_t peak_memory_bytes = 0;  // of the process that loaded and ran it
};

struct OutputInfo {
  std::string path;
  std::vector<int64_t> shape;
  double low = 0, high = 0;  // range of the finite values
};

struct ReferenceResult {
  std::string name, path;
  Cost cost;
  std::vector<OutputInfo> outputs;
};

struct ModelResult {
  std::string name, source, path;  // source: model, config, preset
  Json config;                     // null for a float archive
  Json sites;                      // vqt.json's table; null for a float archive
  Cost cost;
  std::vector<std::pair<std::string, Metrics>> outputs;
  std::vector<std::string> notes;
};

struct Scene {
  std::string folder;
  std::vector<std::string> names;  // pictures, in order
  int64_t height = 0, width = 0;   // as fed
  std::string preprocess, input_layout;
  int64_t frames = 0;  // a forward
};

struct EvalReport {
  Json environment;
  Scene scene;
  ReferenceResult reference;
  std::vector<ModelResult> models;
  std::vector<DepthMap> depth_maps;
  std::vector<std::string> notes;
};

// "w8a8", or the two schemes with most weights joined by +; "float32" where nothing is quantized.
std::string main_scheme(const ModelResult& model);

Json results_json(const EvalReport& report);
// The comparison: one row a model, then the PSNR of every output.
std::string summary_text(const EvalReport& report);
std::string report_text(const EvalReport& report);
std::string report_html(const EvalReport& report);

// results.json, report.txt, report.html, depth/*.png; each beside its place and renamed. Returns the path of
// report.html.
std::string write_report(const EvalReport& report, const std::string& output_dir);

}  // namespace vqt
