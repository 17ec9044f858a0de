// Saves a quantized module: torch writes its records, then vqt.json with their checksums is put behind them.
// The zip is finished by torch; its directory is then cut off, vqt.json appended and the directory written
// again, so no byte of the weights is copied or read twice.
#include <caffe2/serialize/inline_container.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/export.h>
#include <zlib.h>

#include "loader/archive/vqt_json.h"
#include "loader/archive/zip_directory.h"
#include "vqt/archive.h"
#include "vqt/atomic_file.h"
#include "vqt/error_text.h"

namespace vqt {
namespace {

class Bytes {
 public:
  Bytes& u16(uint64_t v) { return put(v, 2); }
  Bytes& u32(uint64_t v) { return put(v, 4); }
  Bytes& u64(uint64_t v) { return put(v, 8); }
  Bytes& text(const std::string& v) {
    bytes_ += v;
    return *this;
  }
  const std::string& str() const { return bytes_; }

 private:
  Bytes& put(uint64_t v, int bytes) {
    for (int i = 0; i < bytes; ++i) bytes_ += static_cast<char>(v >> (8 * i) & 0xff);
    return *this;
  }
  std::string bytes_;
};

void write_module(const torch::jit::Module& module, const std::map<std::string, std::string>& extra,
                  AtomicFile& file) {
  torch::jit::ExtraFilesMap files;
  for (const auto& [name, content] : extra) {
    if (name != "vqt.json") files[name] = content;
  }
  // Always "all written": the writer's destructor must not throw; file remembers a failure
  // and commit() throws it.
  caffe2::serialize::PyTorchStreamWriter writer([&](const void* data, size_t bytes) {
    file.append(data, bytes);
    return bytes;
  });
  torch::jit::ScriptModuleSerializer serializer(writer);
  serializer.serialize(module, files, /*bytecode_format=*/false, /*save_mobile_debug_info=*/false);
  writer.writeEndOfFile();
}

// Local header or directory entry of a stored record below 4 GiB; the offset is in a zip64 field.
std::string local_header(const std::string& name, uint32_t crc, size_t bytes) {
  Bytes b;
  b.u32(0x04034b50)
      .u16(20)
      .u16(0x0800)
      .u16(0)
      .u32(0x00210000)
      .u32(crc)
      .u32(bytes)
      .u32(bytes)
      .u16(name.size())
      .u16(0);
  return b.text(name).str();
}

std::string directory_entry(const std::string& name, uint32_t crc, size_t bytes, uint64_t offset) {
  Bytes b;
  b.u32(0x02014b50).u16(45).u16(45).u16(0x0800).u16(0).u32(0x00210000).u32(crc).u32(bytes).u32(bytes);
  b.u16(name.size()).u16(12).u16(0).u16(0).u16(0).u32(0).u32(0xffffffff).text(name);
  return b.u16(1).u16(8).u64(offset).str();
}

std::string closing_records(uint64_t records, uint64_t directory_bytes, uint64_t directory_offset) {
  Bytes b;
  b.u32(0x06064b50).u64(44).u16(45).u16(45).u32(0).u32(0).u64(records).u64(records).u64(directory_bytes);
  b.u64(directory_offset).u32(0x07064b50).u32(0).u64(directory_offset + directory_bytes).u32(1);
  b.u32(0x06054b50).u16(0).u16(0).u16(0xffff).u16(0xffff).u32(0xffffffff).u32(0xffffffff).u16(0);
  return b.str();
}

void append_vqt_json(const Report& report, AtomicFile& file) {
  file.check();
  ZipDirectory zip;
  std::vector<uint8_t> directory;
  {
    const InputFile written(file.temporary_path());
    zip = read_zip_directory(written);
    directory = written.read(zip.directory_offset, zip.directory_bytes);
  }
  Checksums checksums;
  for (const ZipRecord& r : zip.records) checksums[r.name] = r.crc32;
  const std::string json = write_vqt_json(report, checksums);
  const std::string name = zip.top + "/" + kVqtJsonRecord;
  const auto crc =
      static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(json.data()), json.size()));
  const uint64_t offset = zip.directory_offset;
  file.truncate(offset);
  file.append(local_header(name, crc, json.size()));
  file.append(json);
  const uint64_t directory_offset = file.size();
  file.append(directory.data(), directory.size());
  file.append(directory_entry(name, crc, json.size(), offset));
  file.append(closing_records(zip.records.size() + 1, file.size() - directory_offset, directory_offset));
}

}  // namespace

void save_archive(const torch::jit::Module& module, const std::map<std::string, std::string>& extra,
                  const Report& report, const std::string& path) {
  AtomicFile file(path);
  try {
    write_module(module, extra, file);
  } catch (const c10::Error& e) {
    throw Error(fmt::format("{}: torch cannot save the model: {}", path, error_text(e)));
  }
  append_vqt_json(report, file);
  file.commit();
}

}  // namespace vqt
