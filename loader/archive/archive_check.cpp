// Checks a TorchScript file before torch sees it: it holds code, and torch's reader trusts it.
#include "loader/archive/archive_check.h"

#include <caffe2/serialize/versions.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>

#include "loader/archive/file_kind.h"
#include "loader/archive/vqt_json.h"

namespace vqt {
namespace {

constexpr uint64_t kMaxVqtJsonBytes = uint64_t{64} << 20;
constexpr uint64_t kMaxPickleBytes = uint64_t{64} << 20;
[[noreturn]] void fail(const InputFile& file, const std::string& what) {
  throw Error(file.path() + ": " + what);
}

// A file that is no zip, or one of another program: says what it is.
void refuse_other_kinds(const InputFile& file) {
  const FileKind kind = file_kind(file);
  if (kind.what.empty()) return;
  fail(file, kind.step.empty() ? fmt::format("{}; expected a TorchScript file. {}", kind.what, kHowToExport)
                               : fmt::format("{}; {}", kind.what, kind.step));
}

void require_torchscript(const InputFile& file, const ZipDirectory& zip) {
  const ZipRecord* pickle = zip.find("data.pkl");
  if (pickle && zip.find("constants.pkl")) return;
  std::string what;
  if (pickle) {
    what = pickle_kind(pickle->size <= kMaxPickleBytes ? read_record(file, *pickle, kMaxPickleBytes) : "");
  } else if (zip.find("archive_format") || zip.has_folder("models/") ||
             zip.find("serialized_exported_program.json")) {
    what = "a program written by torch.export (.pt2)";
  } else if (zip.find(".data/extern_modules")) {
    what = "a package written by torch.package";
  }
  if (!what.empty()) fail(file, fmt::format("{}; expected a TorchScript file. {}", what, kHowToExport));
  std::string names;
  for (size_t i = 0; i < std::min<size_t>(zip.records.size(), 5); ++i)
    names += (i ? ", " : "") + zip.records[i].name;
  fail(file,
       fmt::format("a zip, but not a TorchScript file: expected records data.pkl, constants.pkl and version, "
                   "got {} records: {}{}",
                   zip.records.size(), names, zip.records.size() > 5 ? ", ..." : ""));
}

// torch aborts with an internal assertion where these do not fit.
void check_format(const InputFile& file, const ZipDirectory& zip) {
  const ZipRecord* record = zip.find("version");
  if (!record) record = zip.find(".data/version");
  if (!record) fail(file, "the record version is missing");
  std::string text = read_record(file, *record, 32);
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
  const bool digits =
      !text.empty() && text.size() < 10 && text.find_first_not_of("0123456789") == std::string::npos;
  const uint64_t version = digits ? std::stoull(text) : 0;
  if (version < caffe2::serialize::kMinSupportedFileFormatVersion ||
      version > caffe2::serialize::kMaxSupportedFileFormatVersion) {
    fail(file, fmt::format("version: expected a number from {} to {} (this torch reads those), got \"{}\"",
                           caffe2::serialize::kMinSupportedFileFormatVersion,
                           caffe2::serialize::kMaxSupportedFileFormatVersion, text));
  }
  if (const ZipRecord* order = zip.find("byteorder")) {
    const std::string name = read_record(file, *order, 32);
    if (name != "little") fail(file, fmt::format("byteorder: expected little, got \"{}\"", name));
  }
}

void check_listed(const InputFile& file, const ZipDirectory& zip, const Checksums& listed) {
  for (const ZipRecord& r : zip.records) {
    if (r.name == kVqtJsonRecord) continue;
    const auto found = listed.find(r.name);
    if (found == listed.end()) fail(file, fmt::format("{}: the record is not listed in vqt.json", r.name));
    if (found->second != r.crc32) {
      fail(file,
           fmt::format("{}: vqt.json lists the CRC-32 {:08x}, the zip directory {:08x}: the record was "
                       "replaced after vqt wrote the file. Quantize the float model again, or save without "
                       "vqt.json",
                       r.name, found->second, r.crc32));
    }
  }
  for (const auto& [name, crc] : listed) {
    if (!zip.find(name)) fail(file, fmt::format("{}: the record is listed in vqt.json and missing", name));
  }
}

}  // namespace

CheckedArchive check_archive(const InputFile& file, const LoadOptions& options) {
  refuse_other_kinds(file);
  CheckedArchive checked{read_zip_directory(file), {}};
  const ZipDirectory& zip = checked.zip;
  require_torchscript(file, zip);
  check_format(file, zip);
  if (const ZipRecord* record = zip.find(kVqtJsonRecord)) {
    VqtJson vqt_json = read_vqt_json(read_record(file, *record, kMaxVqtJsonBytes), file.path());
    check_listed(file, zip, vqt_json.checksums);
    checked.report = std::move(vqt_json.report);
  }
  ZipDirectory to_read = zip;
  if (options.structure_only) {
    const auto large = [](const ZipRecord& r) { return r.stored_size >= kLargeRecord; };
    to_read.records.erase(std::remove_if(to_read.records.begin(), to_read.records.end(), large),
                          to_read.records.end());
  }
  verify_records(file, to_read, [&](uint64_t done, uint64_t total) {
    if (options.progress)
      options.progress("checking " + file.path(), static_cast<int64_t>(done), static_cast<int64_t>(total));
  });
  return checked;
}

std::optional<Report> check_archive(const std::string& path, const LoadOptions& options) {
  return check_archive(InputFile(path), options).report;
}

uint32_t model_checksum(const std::string& path) {
  const InputFile file(path);
  refuse_other_kinds(file);
  std::string text;
  for (const ZipRecord& r : read_zip_directory(file).records)
    text += fmt::format("{} {} {}\n", r.name, r.size, r.crc32);
  return static_cast<uint32_t>(crc32_z(0, reinterpret_cast<const Bytef*>(text.data()), text.size()));
}

}  // namespace vqt
