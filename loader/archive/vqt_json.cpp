// Writes and reads vqt.json.
#include "loader/archive/vqt_json.h"

#include <fmt/format.h>
#include <torch/headeronly/version.h>

#include <nlohmann/json.hpp>

#include "vqt/error.h"
#include "vqt/packing.h"
#include "vqt/report_json.h"

namespace vqt {

using nlohmann::ordered_json;

std::string write_vqt_json(const Report& report, const Checksums& checksums) {
  ordered_json j = {
      {"version", kVqtJsonVersion},
      {"versions", {{"vqt", VQT_VERSION}, {"torch", TORCH_VERSION}, {"packed_format", kPackedVersion}}}};
  j.update(report_to_json(report));
  ordered_json& sums = j["checksums"] = ordered_json::object();
  for (const auto& [name, crc] : checksums) sums[name] = fmt::format("{:08x}", crc);
  return j.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n";
}

VqtJson read_vqt_json(const std::string& text, const std::string& source) try {
  const ordered_json j = ordered_json::parse(text);
  const ordered_json& version = j.at("version");
  if (!version.is_number_integer() || version.get<int64_t>() < 1) {
    throw Error(
        fmt::format("{}: vqt.json: version: expected {}, got {}", source, kVqtJsonVersion, version.dump()));
  }
  if (version.get<int64_t>() > kVqtJsonVersion) {
    throw Error(
        fmt::format("{}: vqt.json: version {}: written by a newer vqt, this one reads up to {}; "
                    "update vqt or quantize the float model again",
                    source, version.get<int64_t>(), kVqtJsonVersion));
  }
  VqtJson out{report_from_json(j, source + ": vqt.json"), {}};
  for (const auto& [name, crc] : j.at("checksums").items()) {
    const std::string hex = crc.get<std::string>();
    if (hex.size() != 8 || hex.find_first_not_of("0123456789abcdef") != std::string::npos) {
      throw Error(fmt::format("{}: vqt.json: checksums: {}: expected 8 hexadecimal digits, got {}", source,
                              name, crc.dump()));
    }
    out.checksums[name] = static_cast<uint32_t>(std::stoul(hex, nullptr, 16));
  }
  return out;
} catch (const ordered_json::exception& e) {
  throw Error(fmt::format("{}: vqt.json is not what vqt writes: {}", source, e.what()));
}

}  // namespace vqt
