// TorchScript archives: checked before anything in them runs, loaded, saved whole or not at all.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <functional>
#include <map>
#include <string>

#include "vqt/error.h"
#include "vqt/quantize.h"

namespace vqt {

using ArchiveError = Error;  // names the file, the record, what was expected and what came

struct Archive {
  torch::jit::Module module;                 // on the CPU, in eval mode
  std::map<std::string, std::string> extra;  // all extra files, vqt.json left out
  std::string vqt_json;                      // empty: a float archive, or one saved again by other hands
  int64_t file_bytes = 0;
};

struct LoadOptions {
  // For listing and planning: large weights are not read, only their first 64 KiB (the header of a packed
  // weight), and only small records are compared with their checksums. The module must not be run or saved.
  bool structure_only = false;
  Progress progress;
};

// Zip structure, names, sizes and the CRC-32 of every record; for ours also vqt.json's version and its list
// of checksums. Throws Error.
void check_archive(const std::string& path);

// check_archive, then torch::jit::load. Throws Error.
Archive load_archive(const std::string& path, const LoadOptions& options = {});

// Writes module, extra files and, last, vqt.json (config, versions, table of sites, checksums) beside path
// and renames. Throws Error; what stood at path is then untouched.
void save_archive(const torch::jit::Module& module, const std::map<std::string, std::string>& extra,
                  const Report& report, const std::string& path);

}  // namespace vqt
