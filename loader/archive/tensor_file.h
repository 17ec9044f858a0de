// Named tensors in a file, in the layout of safetensors, which other tools read too. Torch-free.
//
//   8 bytes  length of the header, little-endian
//   header   JSON, spaces after it: {"name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}, ...,
//            "__metadata__": {"key": "text", ...}}
//   data     each tensor row-major, one after the other; offsets count from the first byte of data
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "loader/archive/file.h"

namespace vqt {

struct TensorEntry {
  std::string name;
  std::string dtype;  // BOOL U8 I8 U16 I16 F16 BF16 U32 I32 F32 U64 I64 F64
  std::vector<int64_t> shape;
  uint64_t begin = 0, end = 0;    // bytes of the data
  std::optional<uint32_t> crc32;  // of those bytes; files that vqt did not write have none

  uint64_t bytes() const { return end - begin; }
};

// Every key but "crc32", under which the checksums are stored.
using TensorMetadata = std::map<std::string, std::string>;

// Reads without trusting the file: every number is bounded before it is used. All throw Error.
class TensorFile {
 public:
  explicit TensorFile(const std::string& path);  // reads and checks the header, no tensor

  const std::string& path() const { return file_.path(); }
  const std::vector<TensorEntry>& tensors() const { return tensors_; }  // in the order of their data
  const TensorEntry* find(const std::string& name) const;               // null: none of that name
  const TensorMetadata& metadata() const { return metadata_; }
  std::string metadata(const std::string& key) const;  // "": none

  // tensor.bytes() bytes, compared with their checksum.
  void read(const TensorEntry& tensor, void* to) const;

 private:
  friend void copy_tensors(const TensorFile& from, const TensorMetadata& metadata, const std::string& path);
  InputFile file_;
  uint64_t data_offset_ = 0;
  std::vector<TensorEntry> tensors_;
  TensorMetadata metadata_;
};

// Writes tensors as they come; nothing but the header is kept in memory. All but
// the destructor throw Error.
class TensorFileWriter {
 public:
  // header_room: bytes kept free for the header. Where they do not suffice, finish() moves the data.
  explicit TensorFileWriter(const std::string& path, uint64_t header_room = 4096);
  ~TensorFileWriter();  // without finish() the file is no tensor file
  TensorFileWriter(const TensorFileWriter&) = delete;
  TensorFileWriter& operator=(const TensorFileWriter&) = delete;

  void append(const std::string& name, const std::string& dtype, const std::vector<int64_t>& shape,
              const void* data);
  void finish(const TensorMetadata& metadata = {});

 private:
  void write(uint64_t offset, const void* data, uint64_t bytes);
  void move_data(uint64_t to);

  std::string path_;
  int fd_ = -1;
  uint64_t data_offset_, size_ = 0;  // of the data
  std::vector<TensorEntry> tensors_;
  std::set<std::string> names_;
};

// The same tensors with other metadata, written beside its place and renamed. Throws Error.
void copy_tensors(const TensorFile& from, const TensorMetadata& metadata, const std::string& path);

}  // namespace vqt
