// TorchScript archives: checked before anything in them runs, loaded, saved whole or not at all.
#pragma once

#include <torch/csrc/jit/api/module.h>

#include <map>
#include <stdexcept>
#include <string>

#include "vqt/quantize.h"

namespace vqt {

// The file is not an archive that can be loaded; the message names the file, the record, what was expected and what came.
struct ArchiveError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

struct Archive {
  torch::jit::Module module;                   // on the CPU, in eval mode
  std::map<std::string, std::string> extra;    // all extra files, vqt.json left out
  std::string vqt_json;                        // empty: a float archive
  int64_t file_bytes = 0;
};

// Zip structure, names, sizes; for ours also vqt.json's version and the CRC-32 of every record. Throws ArchiveError.
void check_archive(const std::string& path);
// check_archive, then torch::jit::load.
Archive load_archive(const std::string& path);
// Writes module, extra files and, last, vqt.json (config, versions, table of sites, checksums) beside path and renames.
void save_archive(const torch::jit::Module& module, const std::map<std::string, std::string>& extra, const Report& report,
                  const std::string& path);

}  // namespace vqt
