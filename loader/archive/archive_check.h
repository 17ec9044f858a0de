// What makes a zip a TorchScript file, and one of ours.
#pragma once

#include <optional>
#include <string>

#include "loader/archive/zip_directory.h"
#include "vqt/archive.h"

namespace vqt {

struct CheckedArchive {
  ZipDirectory zip;
  std::optional<Report> report;  // of vqt.json; empty: not one of ours
};

// Records larger than this hold weights; structure_only leaves them unread.
constexpr uint64_t kLargeRecord = uint64_t{1} << 20;

CheckedArchive check_archive(const InputFile& file, const LoadOptions& options);

}  // namespace vqt
