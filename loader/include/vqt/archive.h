// TorchScript files: checked before anything in them runs, loaded, saved whole or not at all.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <map>
#include <optional>
#include <string>

#include "vqt/error.h"
#include "vqt/quantize.h"

namespace vqt {

using ArchiveError = Error;  // names the file, the record, what was expected and what came

// A model calls an operator, or has a class, that no loaded library defines. Callers add how they load one.
struct UnknownOperatorError : Error {
  using Error::Error;
};

struct Archive {
  torch::jit::Module module;                 // on the CPU, in eval mode
  std::map<std::string, std::string> extra;  // all extra files, vqt.json left out
  std::optional<Report> report;  // of vqt.json; empty: a float model, or saved again by torch.jit.save
  int64_t file_bytes = 0;
};

// A warning about a quantized model that comes without vqt.json.
inline constexpr const char* kWithoutTable =
    "loaded without its table: reasons, SQNR and fusions are not known (torch.jit.save and torch.jit.load leave the "
    "table out, vqt.save and vqt.load keep it)";

struct LoadOptions {
  // For listing and planning: large weights are not read, only their first 64 KiB (the header of a packed
  // weight), and only small records are compared with their checksums. The module must not be run or saved.
  bool structure_only = false;
  Progress progress;
};

// Zip structure, names, sizes and the CRC-32 of every record; for ours also vqt.json's version and its list
// of checksums. Returns what vqt.json reports. Throws Error.
std::optional<Report> check_archive(const std::string& path, const LoadOptions& options = {});

// Of the names, sizes and checksums of the records: tells models apart without reading their weights.
uint32_t model_checksum(const std::string& path);

// check_archive, then torch::jit::load. Throws Error; UnknownOperatorError.
Archive load_archive(const std::string& path, const LoadOptions& options = {});

// Writes module, extra files and, last, vqt.json (config, versions, layer table, checksums) beside path and
// renames. Throws Error; a file at path is then as it was.
void save_archive(const torch::jit::Module& module, const std::map<std::string, std::string>& extra,
                  const Report& report, const std::string& path);

}  // namespace vqt
