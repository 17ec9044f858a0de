// The directory of a zip file, read without trusting it: every size is bounded before it is used. Torch-free.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "loader/archive/file.h"
#include "vqt/error.h"

namespace vqt {

struct ZipRecord {
  std::string name;            // without the file's top folder, e.g. data/17
  uint64_t header_offset = 0;  // of the record's local header in the file
  uint64_t data_offset = 0;    // of its stored bytes
  uint64_t stored_size = 0;    // bytes in the file
  uint64_t size = 0;           // bytes once inflated; stored_size where nothing is compressed
  uint32_t crc32 = 0;          // of the inflated bytes
  bool deflated = false;
};

struct ZipDirectory {
  std::string top;  // the one folder that holds every record
  uint64_t file_bytes = 0;
  uint64_t directory_offset = 0;  // of the central directory, which ends where the closing records begin
  uint64_t directory_bytes = 0;
  std::vector<ZipRecord> records;  // in the order of the directory; no two share a name or a byte

  const ZipRecord* find(std::string_view name) const;
  bool has_folder(std::string_view folder) const;  // "code/": any record below it
};

// Reads and checks structure, names and sizes. Throws Error.
ZipDirectory read_zip_directory(const InputFile& file);

// One record's bytes, inflated and compared with their CRC-32. limit bounds what is read into memory.
std::string read_record(const InputFile& file, const ZipRecord& record, uint64_t limit);

// Compares every record with the CRC-32 in the directory, on several threads. Called as bytes
// are read: done, total.
using BytesRead = std::function<void(uint64_t done, uint64_t total)>;
void verify_records(const InputFile& file, const ZipDirectory& zip, const BytesRead& progress = {});

}  // namespace vqt
