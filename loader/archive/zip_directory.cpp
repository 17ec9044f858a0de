// Reads a zip's closing records, central directory and local headers, and refuses what torch could
// not load safely. Layout: [local header, name, extra, bytes]... central directory [, zip64 end,
// zip64 locator], end record.
#include "loader/archive/zip_directory.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>
#include <unordered_set>

namespace vqt {
namespace {

constexpr uint32_t kLocalHeader = 0x04034b50, kCentralHeader = 0x02014b50, kEnd = 0x06054b50;
constexpr uint32_t kEnd64 = 0x06064b50, kLocator64 = 0x07064b50;
constexpr uint64_t kLocalBytes = 30, kCentralBytes = 46, kEndBytes = 22, kEnd64Bytes = 56, kLocatorBytes = 20;
constexpr uint64_t kMaxDirectoryBytes = uint64_t{64} << 20;  // half a million records
constexpr uint32_t kWide32 = 0xffffffff;                     // "the value is in the zip64 field"
constexpr uint16_t kWide16 = 0xffff;
constexpr uint64_t kMaxDeflateRatio = 1032;  // what deflate can reach; more is a zip bomb's lie

uint64_t little_endian(const uint8_t* p, int bytes) {
  uint64_t value = 0;
  for (int i = bytes - 1; i >= 0; --i) value = value << 8 | p[i];
  return value;
}
uint16_t u16(const uint8_t* p) { return static_cast<uint16_t>(little_endian(p, 2)); }
uint32_t u32(const uint8_t* p) { return static_cast<uint32_t>(little_endian(p, 4)); }
uint64_t u64(const uint8_t* p) { return little_endian(p, 8); }

template <typename... Args>
[[noreturn]] void fail(const InputFile& file, fmt::format_string<Args...> text, Args&&... args) {
  throw Error(file.path() + ": " + fmt::format(text, std::forward<Args>(args)...));
}

// Record names come from the file: what is not printable must not reach a terminal.
std::string printable(std::string_view name) {
  std::string out;
  for (const unsigned char c : name.substr(0, 200)) out += c < 0x20 || c == 0x7f ? '?' : static_cast<char>(c);
  return out;
}

// A file without closing records that begins as a zip was cut short: say in which record. Records carry their
// sizes behind their data, so the last local header is looked for from the end.
[[noreturn]] void fail_cut_short(const InputFile& file) {
  std::string where;
  const uint64_t span = std::min<uint64_t>(file.size(), uint64_t{256} << 20);
  const std::vector<uint8_t> tail = file.read(file.size() - span, span);
  for (uint64_t i = span < kLocalBytes ? 0 : span - kLocalBytes + 1; i-- > 0;) {
    if (tail[i] != 'P' || u32(&tail[i]) != kLocalHeader) continue;
    const std::string_view rest(reinterpret_cast<const char*>(&tail[i + kLocalBytes]),
                                span - i - kLocalBytes);
    const std::string name = printable(rest.substr(0, u16(&tail[i + 26])));
    where = fmt::format(", in or after the record {} that begins at offset {}",
                        name.substr(name.find('/') + 1), file.size() - span + i);
    break;
  }
  fail(file,
       "the file ends after {} bytes{}, without the zip directory that should stand at its end; "
       "the copy is probably cut short",
       file.size(), where);
}

struct End {
  uint64_t records = 0, directory_bytes = 0, directory_offset = 0;
  uint64_t position = 0;  // where the closing records begin
};

std::optional<uint64_t> find_end(const InputFile& file) {
  if (file.size() < kEndBytes) return std::nullopt;
  const uint64_t tail_bytes = std::min<uint64_t>(file.size(), kEndBytes + 0xffff);
  const uint64_t base = file.size() - tail_bytes;
  const std::vector<uint8_t> tail = file.read(base, tail_bytes);
  // From the back, as torch's reader searches, so that both take the same one.
  for (uint64_t i = tail_bytes - kEndBytes + 1; i-- > 0;) {
    if (u32(&tail[i]) != kEnd) continue;
    const uint64_t comment = u16(&tail[i + 20]);
    if (base + i + kEndBytes + comment == file.size()) return base + i;
    fail(file, "the zip end record at offset {} announces a comment of {} bytes, {} bytes follow", base + i,
         comment, tail_bytes - i - kEndBytes);
  }
  return std::nullopt;
}

End read_end(const InputFile& file) {
  const std::optional<uint64_t> position = find_end(file);
  if (!position) fail_cut_short(file);
  const std::vector<uint8_t> e = file.read(*position, kEndBytes);
  End end{u16(&e[10]), u32(&e[12]), u32(&e[16]), *position};
  if (u16(&e[4]) != 0 && u16(&e[4]) != kWide16)
    fail(file, "a zip in several parts (disk {}); expected one file", u16(&e[4]));
  if (*position < kLocatorBytes + kEnd64Bytes) return end;
  const std::vector<uint8_t> locator = file.read(*position - kLocatorBytes, kLocatorBytes);
  if (u32(locator.data()) != kLocator64) return end;
  const uint64_t at = u64(&locator[8]), limit = *position - kLocatorBytes;
  if (at > limit || limit - at < kEnd64Bytes)
    fail(file, "the zip64 end record is said to be at offset {}, outside of the file", at);
  const std::vector<uint8_t> w = file.read(at, kEnd64Bytes);
  if (u32(w.data()) != kEnd64 || u64(&w[4]) != limit - at - 12) {
    fail(file, "no zip64 end record at offset {}, where its locator says it is", at);
  }
  const End wide{u64(&w[32]), u64(&w[40]), u64(&w[48]), at};
  const auto differs = [](uint64_t narrow, uint64_t sentinel, uint64_t value) {
    return narrow != sentinel && narrow != value;
  };
  if (differs(end.records, kWide16, wide.records) ||
      differs(end.directory_bytes, kWide32, wide.directory_bytes) ||
      differs(end.directory_offset, kWide32, wide.directory_offset)) {
    fail(file,
         "the zip end record and its zip64 form disagree: {} and {} records, directory of {} and {} bytes at "
         "{} and {}",
         end.records, wide.records, end.directory_bytes, wide.directory_bytes, end.directory_offset,
         wide.directory_offset);
  }
  return wide;
}

// Sizes that do not fit 32 bits stand in the extra field 1, in this order and only where the
// 32-bit field says so.
void widen(const InputFile& file, const std::string& name, const uint8_t* extra, size_t bytes, ZipRecord& r) {
  const bool wide_size = r.size == kWide32, wide_stored = r.stored_size == kWide32,
             wide_offset = r.header_offset == kWide32;
  if (!wide_size && !wide_stored && !wide_offset) return;
  while (bytes >= 4) {
    const size_t id = u16(extra), length = u16(extra + 2);
    if (length > bytes - 4) break;
    if (id == 1) {
      const uint8_t* p = extra + 4;
      size_t left = length;
      const auto next = [&](bool wide, uint64_t& value) {
        if (!wide) return true;
        if (left < 8) return false;
        value = u64(p);
        p += 8;
        left -= 8;
        return true;
      };
      if (next(wide_size, r.size) && next(wide_stored, r.stored_size) && next(wide_offset, r.header_offset))
        return;
      break;
    }
    extra += 4 + length;
    bytes -= 4 + length;
  }
  fail(file, "{}: its zip64 sizes are missing or cut short", name);
}

void check_name(const InputFile& file, const std::string& name) {
  const std::string shown = printable(name);
  if (name.empty() || name.size() > 4096)
    fail(file, "a record's name has {} bytes; expected 1 to 4096", name.size());
  if (shown != name.substr(0, 200)) fail(file, "{}: the record's name holds control characters", shown);
  if (name[0] == '/' || name.find('\\') != std::string::npos || (name.size() > 1 && name[1] == ':')) {
    fail(file, "{}: the record's name is an absolute path; expected one below the file's top folder", shown);
  }
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part(name.data() + begin, end - begin);
    if (part == ".." || part == "." || (part.empty() && end != name.size())) {
      fail(file, "{}: the record's name leaves the file's top folder (part \"{}\")", shown, part);
    }
    begin = end + 1;
  }
}

// The local header must tell the same story as the directory: torch reads both.
void check_local_header(const InputFile& file, const std::string& full_name, uint64_t limit, int flags,
                        ZipRecord& r) {
  const std::string shown = printable(full_name);
  if (r.header_offset > limit || limit - r.header_offset < kLocalBytes) {
    fail(file, "{}: the zip directory puts it at offset {}, the data ends at {}", shown, r.header_offset,
         limit);
  }
  const std::vector<uint8_t> h = file.read(r.header_offset, kLocalBytes);
  if (u32(h.data()) != kLocalHeader) fail(file, "{}: no local header at offset {}", shown, r.header_offset);
  const uint64_t name_bytes = u16(&h[26]), extra_bytes = u16(&h[28]);
  const uint64_t left = limit - r.header_offset - kLocalBytes;
  if (name_bytes + extra_bytes > left)
    fail(file, "{}: its local header runs past the end of the data", shown);
  const std::vector<uint8_t> name = file.read(r.header_offset + kLocalBytes, name_bytes);
  if (std::string(name.begin(), name.end()) != full_name) {
    fail(file, "{}: its local header names it {}", shown, printable(std::string(name.begin(), name.end())));
  }
  if (u16(&h[6]) != flags)
    fail(file, "{}: flags {:#x} in the zip directory, {:#x} in the local header", shown, flags, u16(&h[6]));
  if (u16(&h[8]) != (r.deflated ? 8 : 0)) {
    fail(file, "{}: compression {} in the zip directory, {} in the local header", shown, r.deflated ? 8 : 0,
         u16(&h[8]));
  }
  r.data_offset = r.header_offset + kLocalBytes + name_bytes + extra_bytes;
  if (r.stored_size > left - name_bytes - extra_bytes) {
    fail(file,
         "{}: the zip directory says {} bytes, the file's data ends after {}; the copy is probably cut short",
         shown, r.stored_size, left - name_bytes - extra_bytes);
  }
  if (flags & 8) return;  // crc and sizes follow the data
  ZipRecord local = r;
  local.size = u32(&h[22]);
  local.stored_size = u32(&h[18]);
  local.header_offset = 0;
  const std::vector<uint8_t> extra = file.read(r.header_offset + kLocalBytes + name_bytes, extra_bytes);
  widen(file, shown, extra.data(), extra.size(), local);
  if (local.size != r.size || local.stored_size != r.stored_size || u32(&h[14]) != r.crc32) {
    fail(file,
         "{}: {} bytes ({} stored), CRC-32 {:08x} in the zip directory; {} bytes ({} stored), CRC-32 {:08x} "
         "in the local header",
         shown, r.size, r.stored_size, r.crc32, local.size, local.stored_size, u32(&h[14]));
  }
}

void check_overlap(const InputFile& file, const std::vector<ZipRecord>& records) {
  std::vector<size_t> order(records.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return records[a].header_offset < records[b].header_offset; });
  if (records[order[0]].header_offset != 0) {
    fail(file, "{} bytes stand before the first record; expected none", records[order[0]].header_offset);
  }
  for (size_t i = 1; i < order.size(); ++i) {
    const ZipRecord &before = records[order[i - 1]], &after = records[order[i]];
    if (before.data_offset + before.stored_size > after.header_offset) {
      fail(file, "{} and {} share bytes of the file (one ends at {}, the other begins at {})",
           printable(before.name), printable(after.name), before.data_offset + before.stored_size,
           after.header_offset);
    }
  }
}

ZipRecord read_central(const InputFile& file, const std::vector<uint8_t>& directory, size_t& at,
                       uint64_t index, uint64_t limit) {
  if (directory.size() - at < kCentralBytes || u32(&directory[at]) != kCentralHeader) {
    fail(file, "the zip directory is damaged at its record {} (offset {} of {} bytes)", index, at,
         directory.size());
  }
  const uint8_t* h = &directory[at];
  const size_t name_bytes = u16(h + 28), extra_bytes = u16(h + 30), comment_bytes = u16(h + 32);
  if (name_bytes + extra_bytes + comment_bytes > directory.size() - at - kCentralBytes) {
    fail(file, "the zip directory's record {} runs past the directory's end", index);
  }
  ZipRecord r;
  r.name.assign(reinterpret_cast<const char*>(h + kCentralBytes), name_bytes);
  check_name(file, r.name);
  const int flags = u16(h + 8), method = u16(h + 10);
  const std::string shown = printable(r.name);
  if (flags & 0x2041) fail(file, "{}: the record is encrypted; expected plain data", shown);
  if (method != 0 && method != 8) {
    fail(file, "{}: compression method {}; expected 0 (stored) or 8 (deflate)", shown, method);
  }
  r.deflated = method == 8;
  r.crc32 = u32(h + 16);
  r.stored_size = u32(h + 20);
  r.size = u32(h + 24);
  r.header_offset = u32(h + 42);
  widen(file, shown, h + kCentralBytes + name_bytes, extra_bytes, r);
  if (!r.deflated && r.size != r.stored_size) {
    fail(file, "{}: not compressed, yet {} bytes are stored as {}", shown, r.size, r.stored_size);
  }
  if (r.deflated && r.size / kMaxDeflateRatio > r.stored_size) {
    fail(file, "{}: says that {} bytes inflate to {}, more than deflate can reach", shown, r.stored_size,
         r.size);
  }
  check_local_header(file, r.name, limit, flags, r);
  at += kCentralBytes + name_bytes + extra_bytes + comment_bytes;
  return r;
}

}  // namespace

const ZipRecord* ZipDirectory::find(std::string_view name) const {
  for (const ZipRecord& r : records) {
    if (r.name == name) return &r;
  }
  return nullptr;
}

bool ZipDirectory::has_folder(std::string_view folder) const {
  return std::any_of(records.begin(), records.end(),
                     [&](const ZipRecord& r) { return r.name.compare(0, folder.size(), folder) == 0; });
}

ZipDirectory read_zip_directory(const InputFile& file) {
  if (file.size() < 4 || u32(file.read(0, 4).data()) != kLocalHeader)
    fail(file, "not a zip file; expected a TorchScript file, which begins with the bytes PK");
  const End end = read_end(file);
  if (end.directory_offset > end.position || end.position - end.directory_offset != end.directory_bytes) {
    fail(file,
         "the zip directory is said to take {} bytes at offset {}; expected it to end at offset {} (file of "
         "{} bytes)",
         end.directory_bytes, end.directory_offset, end.position, file.size());
  }
  if (end.directory_bytes > kMaxDirectoryBytes) {
    fail(file, "the zip directory takes {} bytes; at most {} are read", end.directory_bytes,
         kMaxDirectoryBytes);
  }
  if (end.records == 0 || end.records > end.directory_bytes / kCentralBytes) {
    fail(file, "the zip directory of {} bytes is said to hold {} records", end.directory_bytes, end.records);
  }
  const std::vector<uint8_t> directory = file.read(end.directory_offset, end.directory_bytes);
  ZipDirectory zip;
  zip.file_bytes = file.size();
  zip.directory_offset = end.directory_offset;
  zip.directory_bytes = end.directory_bytes;
  std::unordered_set<std::string> names;
  size_t at = 0;
  for (uint64_t i = 0; i < end.records; ++i) {
    ZipRecord r = read_central(file, directory, at, i, end.directory_offset);
    if (!names.insert(r.name).second)
      fail(file, "{}: the record occurs twice in the zip directory", printable(r.name));
    const size_t slash = r.name.find('/');
    if (slash == std::string::npos)
      fail(file, "{}: the record is in no folder; expected one folder that holds all", printable(r.name));
    if (i == 0) zip.top = r.name.substr(0, slash);
    if (r.name.compare(0, slash, zip.top) != 0 || slash != zip.top.size()) {
      fail(file, "{}: expected every record in the folder {}", printable(r.name), printable(zip.top));
    }
    r.name.erase(0, slash + 1);
    zip.records.push_back(std::move(r));
  }
  if (at != directory.size())
    fail(file, "{} bytes follow the zip directory's last record", directory.size() - at);
  check_overlap(file, zip.records);
  return zip;
}

}  // namespace vqt
