// Hand-made zip bytes, field by field, so that each test can make one of them wrong.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

namespace vqt {

inline void put(std::string& out, uint64_t value, int bytes) {
  for (int i = 0; i < bytes; ++i) out += static_cast<char>(value >> (8 * i) & 0xff);
}

struct Entry {
  std::string name, data;
  uint64_t method = 0, flags = 0, size = 0, stored = 0, crc = 0, offset = 0;
  std::string central_extra, local_extra;
  // The local header's own values; filled with the same ones.
  std::string local_name;
  uint64_t local_method = 0, local_flags = 0, local_size = 0, local_stored = 0, local_crc = 0,
           local_signature = 0x04034b50;
};

inline Entry entry(const std::string& name, const std::string& data, bool deflate = false) {
  Entry e;
  e.name = e.local_name = name;
  e.size = data.size();
  e.crc = crc32(0, reinterpret_cast<const Bytef*>(data.data()), static_cast<uInt>(data.size()));
  e.data = data;
  if (deflate) {
    z_stream z = {};
    deflateInit2(&z, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
    std::string out(deflateBound(&z, static_cast<uLong>(data.size())), '\0');
    z.next_in = reinterpret_cast<Bytef*>(e.data.data());
    z.avail_in = static_cast<uInt>(data.size());
    z.next_out = reinterpret_cast<Bytef*>(out.data());
    z.avail_out = static_cast<uInt>(out.size());
    ::deflate(&z, Z_FINISH);
    out.resize(z.total_out);
    deflateEnd(&z);
    e.data = out;
    e.method = 8;
  }
  e.stored = e.data.size();
  e.local_method = e.method;
  e.local_size = e.size;
  e.local_stored = e.stored;
  e.local_crc = e.crc;
  return e;
}

// The closing record's fields, filled by build() and changed by a test's hook before they are written.
struct Closing {
  uint64_t disk = 0, records = 0, directory_bytes = 0, directory_offset = 0, comment_bytes = 0;
  bool wide = false;  // a zip64 record and locator before it
  uint64_t wide_records = 0, wide_bytes = 0, wide_offset = 0, wide_position = 0, wide_signature = 0x06064b50;
  std::string tail;
};

struct Zip {
  std::vector<Entry> entries;
  std::function<void(std::vector<Entry>&)> before_directory;  // offsets are known by then
  std::function<void(Closing&)> before_end;
  std::string behind_directory;

  std::string build() {
    std::string out;
    for (Entry& e : entries) {
      e.offset = out.size();
      put(out, e.local_signature, 4), put(out, 20, 2), put(out, e.local_flags, 2),
          put(out, e.local_method, 2), put(out, 0, 4);
      put(out, e.local_crc, 4), put(out, e.local_stored, 4), put(out, e.local_size, 4);
      put(out, e.local_name.size(), 2), put(out, e.local_extra.size(), 2);
      out += e.local_name + e.local_extra + e.data;
    }
    if (before_directory) before_directory(entries);
    Closing c;
    c.directory_offset = out.size();
    for (const Entry& e : entries) {
      put(out, 0x02014b50, 4), put(out, 20, 2), put(out, 20, 2), put(out, e.flags, 2), put(out, e.method, 2),
          put(out, 0, 4);
      put(out, e.crc, 4), put(out, e.stored, 4), put(out, e.size, 4), put(out, e.name.size(), 2);
      put(out, e.central_extra.size(), 2), put(out, 0, 2), put(out, 0, 2), put(out, 0, 2), put(out, 0, 4),
          put(out, e.offset, 4);
      out += e.name + e.central_extra;
    }
    out += behind_directory;
    c.records = c.wide_records = entries.size();
    c.directory_bytes = c.wide_bytes = out.size() - c.directory_offset;
    c.wide_offset = c.directory_offset;
    c.wide_position = out.size();
    if (before_end) before_end(c);
    if (c.wide) {
      put(out, c.wide_signature, 4), put(out, 44, 8), put(out, 45, 2), put(out, 45, 2), put(out, 0, 8);
      put(out, c.wide_records, 8), put(out, c.wide_records, 8), put(out, c.wide_bytes, 8),
          put(out, c.wide_offset, 8);
      put(out, 0x07064b50, 4), put(out, 0, 4), put(out, c.wide_position, 8), put(out, 1, 4);
    }
    put(out, 0x06054b50, 4), put(out, c.disk, 2), put(out, c.disk, 2), put(out, c.records, 2),
        put(out, c.records, 2);
    put(out, c.directory_bytes, 4), put(out, c.directory_offset, 4), put(out, c.comment_bytes, 2);
    return out + c.tail;
  }
};

inline std::string read_text(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace vqt
