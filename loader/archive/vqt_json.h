// vqt.json, the record that makes a TorchScript file one of ours: report, versions, checksums.
#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "vqt/quantize.h"

namespace vqt {

constexpr int64_t kVqtJsonVersion = 1;
constexpr const char* kVqtJsonRecord = "extra/vqt.json";

// Record name (without the file's top folder) to CRC-32.
using Checksums = std::map<std::string, uint32_t>;

struct VqtJson {
  Report report;
  Checksums checksums;
};

std::string write_vqt_json(const Report& report, const Checksums& checksums);
// source names the file in messages. Throws Error.
VqtJson read_vqt_json(const std::string& text, const std::string& source);

}  // namespace vqt
