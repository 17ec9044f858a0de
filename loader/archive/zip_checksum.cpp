// Reads the bytes of a zip's records and compares them with their CRC-32. torch's own reader does not.
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "loader/archive/file.h"
#include "loader/archive/zip_directory.h"
#include "vqt/error.h"

namespace vqt {
namespace {

constexpr uint64_t kChunk = uint64_t{1} << 20;

// Ends inflate's state on every way out.
struct Inflater {
  z_stream stream = {};
  Inflater() { inflateInit2(&stream, -MAX_WBITS); }
  ~Inflater() { inflateEnd(&stream); }
};

// Feeds a record's inflated bytes to sink in chunks; counts the stored ones in `read`.
template <typename Sink>
void read_chunks(const InputFile& file, const ZipRecord& r, const Sink& sink, std::atomic<uint64_t>* read) {
  std::vector<uint8_t> in(std::min(kChunk, r.stored_size)), out(r.deflated ? kChunk : 0);
  Inflater inflater;
  uint64_t produced = 0;
  int status = Z_OK;
  for (uint64_t at = 0; at < r.stored_size; at += in.size()) {
    in.resize(std::min(kChunk, r.stored_size - at));
    file.read(r.data_offset + at, in.data(), in.size());
    if (read) *read += in.size();
    if (!r.deflated) {
      sink(in.data(), in.size());
      produced += in.size();
      continue;
    }
    inflater.stream.next_in = in.data();
    inflater.stream.avail_in = static_cast<uInt>(in.size());
    while (status == Z_OK && produced <= r.size) {
      inflater.stream.next_out = out.data();
      inflater.stream.avail_out = static_cast<uInt>(out.size());
      status = inflate(&inflater.stream, Z_NO_FLUSH);
      const size_t got = out.size() - inflater.stream.avail_out;
      sink(out.data(), got);
      produced += got;
      if (status == Z_BUF_ERROR || (inflater.stream.avail_in == 0 && inflater.stream.avail_out != 0)) break;
    }
    if (status == Z_BUF_ERROR) status = Z_OK;  // needs the next chunk of input
  }
  if (r.deflated && (status != Z_STREAM_END || inflater.stream.avail_in != 0)) {
    throw Error(fmt::format("{}: {}: its {} stored bytes do not inflate; the file is damaged", file.path(),
                            r.name, r.stored_size));
  }
  if (produced != r.size) {
    throw Error(fmt::format("{}: {}: the zip directory says {} bytes, its data has {}", file.path(), r.name,
                            r.size, produced));
  }
}

uint32_t extend_crc(uint32_t crc, const uint8_t* data, size_t bytes) {
  return static_cast<uint32_t>(crc32_z(crc, data, bytes));
}

void check_crc(const InputFile& file, const ZipRecord& r, uint32_t crc) {
  if (crc == r.crc32) return;
  throw Error(fmt::format("{}: {}: expected CRC-32 {:08x}, its data has {:08x}; the file is damaged",
                          file.path(), r.name, r.crc32, crc));
}

}  // namespace

std::string read_record(const InputFile& file, const ZipRecord& record, uint64_t limit) {
  if (record.size > limit) {
    throw Error(fmt::format("{}: {}: {} bytes; at most {} were expected", file.path(), record.name,
                            record.size, limit));
  }
  std::string text;
  uint32_t crc = 0;
  read_chunks(
      file, record,
      [&](const uint8_t* data, size_t bytes) {
        text.append(reinterpret_cast<const char*>(data), bytes);
        crc = extend_crc(crc, data, bytes);
      },
      nullptr);
  check_crc(file, record, crc);
  return text;
}

void verify_records(const InputFile& file, const ZipDirectory& zip, const BytesRead& progress) {
  uint64_t total = 0;
  for (const ZipRecord& r : zip.records) total += r.stored_size;
  std::atomic<size_t> next{0};
  std::atomic<uint64_t> read{0};
  std::mutex mutex;
  std::exception_ptr error;
  const auto work = [&](bool reports) {
    for (size_t i = next++; i < zip.records.size(); i = next++) {
      const ZipRecord& r = zip.records[i];
      try {
        uint32_t crc = 0;
        read_chunks(
            file, r, [&](const uint8_t* data, size_t bytes) { crc = extend_crc(crc, data, bytes); }, &read);
        check_crc(file, r, crc);
        if (reports && progress) progress(read, total);
      } catch (...) {
        const std::lock_guard<std::mutex> lock(mutex);
        if (!error) error = std::current_exception();
        next = zip.records.size();
      }
    }
  };
  const unsigned threads = std::clamp(std::thread::hardware_concurrency(), 1u, 8u);
  std::vector<std::thread> pool;
  for (unsigned i = 1; i < threads && total > (kChunk << 2); ++i) pool.emplace_back(work, false);
  work(true);
  for (std::thread& t : pool) t.join();
  if (error) std::rethrow_exception(error);
  if (progress) progress(total, total);
}

}  // namespace vqt
