// Writes a tensor file: data first, then the header into the room kept for it.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <nlohmann/json.hpp>

#include "loader/archive/tensor_header.h"
#include "vqt/atomic_file.h"
#include "vqt/error.h"

namespace vqt {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kPieceBytes = uint64_t{1} << 20;

struct Dtype {
  const char* name;
  uint64_t bytes;
};
constexpr Dtype kDtypes[] = {{"BOOL", 1}, {"U8", 1},   {"I8", 1},  {"U16", 2}, {"I16", 2},
                             {"F16", 2},  {"BF16", 2}, {"U32", 4}, {"I32", 4}, {"F32", 4},
                             {"U64", 8},  {"I64", 8},  {"F64", 8}};

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

[[noreturn]] void fail(const std::string& path) {
  throw Error(fmt::format("{}: cannot write: {}", path, write_failure(path, errno)));
}

}  // namespace

uint64_t dtype_bytes(const std::string& dtype) {
  const auto* found =
      std::find_if(std::begin(kDtypes), std::end(kDtypes), [&](const Dtype& d) { return dtype == d.name; });
  return found == std::end(kDtypes) ? 0 : found->bytes;
}

std::string dtype_names() {
  std::string names;
  for (const Dtype& d : kDtypes) names += (names.empty() ? "" : ", ") + std::string(d.name);
  return names;
}

std::string tensor_header(const std::vector<TensorEntry>& tensors, const TensorMetadata& metadata,
                          uint64_t least_bytes) {
  Json header = Json::object(), sums = Json::object(), about = metadata;
  for (const TensorEntry& t : tensors) {
    header[t.name] = {{"dtype", t.dtype}, {"shape", t.shape}, {"data_offsets", {t.begin, t.end}}};
    if (t.crc32) sums[t.name] = *t.crc32;
  }
  if (!sums.empty()) about[kChecksumKey] = text_of(sums);
  if (!about.empty()) header[kMetadataKey] = std::move(about);
  std::string json = text_of(header);
  const uint64_t bytes = std::max<uint64_t>(json.size() + kLengthBytes, least_bytes);
  json.resize((bytes + 7) / 8 * 8 - kLengthBytes, ' ');
  std::string length;
  for (size_t i = 0; i < kLengthBytes; ++i) length += static_cast<char>(json.size() >> (8 * i) & 0xff);
  return length + json;
}

TensorFileWriter::TensorFileWriter(const std::string& path, uint64_t header_room)
    : path_(path), data_offset_((header_room + 7) / 8 * 8) {
  fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail(path);
}

TensorFileWriter::~TensorFileWriter() {
  if (fd_ >= 0) ::close(fd_);
}

void TensorFileWriter::write(uint64_t offset, const void* data, uint64_t bytes) {
  const char* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written =
        ::pwrite(fd_, at, std::min<uint64_t>(bytes, uint64_t{1} << 30), static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) fail(path_);
    at += written;
    offset += static_cast<uint64_t>(written);
    bytes -= static_cast<uint64_t>(written);
  }
}

void TensorFileWriter::append(const std::string& name, const std::string& dtype,
                              const std::vector<int64_t>& shape, const void* data) {
  uint64_t bytes = dtype_bytes(dtype);
  if (bytes == 0) throw Error(fmt::format("{}: {}: dtype {} cannot be stored", path_, name, dtype));
  if (!names_.insert(name).second) throw Error(fmt::format("{}: two tensors named {}", path_, name));
  for (const int64_t size : shape) bytes *= static_cast<uint64_t>(size);
  const auto crc = static_cast<uint32_t>(bytes > 0 ? crc32_z(0, static_cast<const Bytef*>(data), bytes) : 0);
  tensors_.push_back({name, dtype, shape, size_, size_ + bytes, crc});
  write(data_offset_ + size_, data, bytes);
  size_ += bytes;
}

// From the end, piece by piece: the new place begins behind the old one.
void TensorFileWriter::move_data(uint64_t to) {
  std::vector<char> piece(std::min(kPieceBytes, size_));
  for (uint64_t left = size_; left > 0;) {
    const uint64_t bytes = std::min<uint64_t>(piece.size(), left);
    left -= bytes;
    for (uint64_t done = 0; done < bytes;) {
      const ssize_t got =
          ::pread(fd_, piece.data() + done, bytes - done, static_cast<off_t>(data_offset_ + left + done));
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) fail(path_);
      done += static_cast<uint64_t>(got);
    }
    write(to + left, piece.data(), bytes);
  }
  data_offset_ = to;
}

void TensorFileWriter::finish(const TensorMetadata& metadata) {
  const std::string header = tensor_header(tensors_, metadata, data_offset_);
  if (header.size() > data_offset_) move_data(header.size());
  write(0, header.data(), header.size());
  const int closed = ::close(fd_);
  fd_ = -1;
  if (closed != 0) fail(path_);
}

void copy_tensors(const TensorFile& from, const TensorMetadata& metadata, const std::string& path) {
  AtomicFile out(path);
  out.append(tensor_header(from.tensors_, metadata, 0));
  std::vector<char> piece(kPieceBytes);
  for (uint64_t at = from.data_offset_; at < from.file_.size();) {
    const uint64_t bytes = std::min<uint64_t>(piece.size(), from.file_.size() - at);
    from.file_.read(at, piece.data(), bytes);
    out.append(piece.data(), bytes);
    at += bytes;
  }
  out.commit();
}

}  // namespace vqt
