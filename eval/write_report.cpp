#include <fmt/format.h>

#include <filesystem>

#include "report.h"
#include "vqt/atomic_file.h"

namespace vqt {
namespace {

void write(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.append(content);
  file.commit();
}

// A name that is safe as part of a file name on any system.
std::string file_part(std::string name) {
  for (char& c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '.' || c == '-' || c == '_';
    if (!plain) c = '_';
  }
  return name;
}

}  // namespace

std::string write_report(const EvalReport& report, const std::string& output_dir) {
  namespace fs = std::filesystem;
  const fs::path folder = output_dir;
  if (!report.depth_maps.empty()) fs::create_directories(folder / "depth");
  for (const DepthMap& map : report.depth_maps) {
    for (const DepthMap::Model& m : map.models) {
      const std::string stem = file_part(fs::path(map.picture).stem().string());
      write(folder / "depth" / fmt::format("{}_{:03}_{}.png", file_part(m.name), map.index + 1, stem), m.png);
    }
  }
  write(folder / "results.json",
        results_json(report).dump(1, ' ', false, Json::error_handler_t::replace) + "\n");
  write(folder / "report.txt", report_text(report));
  write(folder / "report.html", report_html(report));
  return folder / "report.html";
}

}  // namespace vqt
