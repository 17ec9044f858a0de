// check_archive, then torch::jit::load from the file that was checked, not from the name once more.
#include <caffe2/serialize/read_adapter_interface.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/import.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <regex>

#include "loader/archive/archive_check.h"
#include "loader/archive/vqt_json.h"
#include "vqt/archive.h"
#include "vqt/error_text.h"
#include "vqt/scoped_malloc_trim.h"

namespace vqt {
namespace {

constexpr uint64_t kHeaderBytes = uint64_t{64} << 10;
constexpr uint64_t kMaxExtraBytes = uint64_t{1} << 30;

// Gives torch the file's bytes. In structure_only the inside of large weights stays unread, and so do the
// pages they would have filled.
class ArchiveReader : public caffe2::serialize::ReadAdapterInterface {
 public:
  ArchiveReader(const InputFile& file, const ZipDirectory& zip, bool structure_only) : file_(file) {
    for (const ZipRecord& r : zip.records) {
      if (structure_only && !r.deflated && r.stored_size >= kLargeRecord && r.name.rfind("data/", 0) == 0) {
        large_.push_back({r.data_offset + kHeaderBytes, r.data_offset + r.stored_size});
      }
    }
    std::sort(large_.begin(), large_.end());
  }
  size_t size() const override { return file_.size(); }
  size_t read(uint64_t pos, void* to, size_t bytes, const char* /*what*/) const override {
    uint64_t wanted = bytes;
    const auto after =
        std::upper_bound(large_.begin(), large_.end(), std::make_pair(pos + bytes, uint64_t{0}));
    if (after != large_.begin()) {
      const auto& [begin, end] = *(after - 1);
      if (pos + bytes <= end) wanted = begin > pos ? std::min<uint64_t>(bytes, begin - pos) : 0;
    }
    file_.read(pos, to, wanted);
    return bytes;
  }

 private:
  const InputFile& file_;
  std::vector<std::pair<uint64_t, uint64_t>> large_;  // byte ranges not to be read
};

// torch's error, with the operator or class named that it does not know.
[[noreturn]] void fail_to_load(const std::string& path, const std::string& why) {
  std::smatch found;
  if (std::regex_search(why, found, std::regex("Unknown builtin op: ([A-Za-z0-9_]+)::([A-Za-z0-9_]+)"))) {
    const std::string library = found[1], name = library + "::" + found[2].str();
    if (library == "vqt")
      throw Error(fmt::format("{}: calls the operator {}, which vqt {} does not have: written by a newer vqt",
                              path, name, VQT_VERSION));
    if (library == "aten" || library == "prim")
      throw Error(
          fmt::format("{}: calls the operator {}, which torch {} does not have: written by another torch",
                      path, name, TORCH_VERSION));
    throw UnknownOperatorError(
        fmt::format("{}: calls the operator {}, which no library loaded here defines", path, name));
  }
  if (std::regex_search(why, found,
                        std::regex("__torch__\\.(torch\\.classes\\.[A-Za-z0-9_]+\\.[A-Za-z0-9_]+)"))) {
    throw UnknownOperatorError(
        fmt::format("{}: has the class {}, which no library loaded here defines", path, found[1].str()));
  }
  if (why ==
      "required keyword attribute 'value' is undefined") {  // torch saves prim::ConstantMKLDNNTensor without it
    throw Error(fmt::format(
        "{}: a model from torch.jit.optimize_for_inference, whose oneDNN weights no file keeps; save and "
        "quantize the module that was passed to it",
        path));
  }
  throw Error(fmt::format("{}: torch cannot load it: {}", path, why));
}

}  // namespace

Archive load_archive(const std::string& path, const LoadOptions& options) {
  const InputFile file(path);
  CheckedArchive checked = check_archive(file, options);
  Archive archive;
  archive.file_bytes = static_cast<int64_t>(file.size());
  archive.report = std::move(checked.report);
  for (const ZipRecord& r : checked.zip.records) {
    if (r.name.rfind("extra/", 0) != 0 || r.name == kVqtJsonRecord || r.name.back() == '/') continue;
    archive.extra[r.name.substr(6)] = read_record(file, r, kMaxExtraBytes);
  }
  const ScopedMallocTrim trim;  // each weight on pages of its own, so that it can go alone
  try {
    if (options.progress) options.progress("loading " + path, 0, 1);
    archive.module = torch::jit::load(
        std::make_shared<ArchiveReader>(file, checked.zip, options.structure_only), at::kCPU);
    archive.module.eval();
    if (options.progress) options.progress("loading " + path, 1, 1);
  } catch (const Error&) {
    throw;
  } catch (const std::exception& e) {
    fail_to_load(path, error_text(e));
  }
  return archive;
}

}  // namespace vqt
