#include "loader/archive/file_kind.h"

#include <fmt/format.h>

#include <algorithm>
#include <regex>

namespace vqt {
namespace {

using namespace std::string_literals;

struct Signature {
  size_t offset;
  std::string bytes;
  FileKind kind;
};

const FileKind kPage{"an HTML page", "the download probably failed"};

FileKind compressed(const std::string& by) {
  return {fmt::format("a file compressed by {}", by), "unpack it first"};
}

const Signature kSignatures[] = {
    {0, "version https://git-lfs", {"a Git LFS pointer, not the file itself", "run `git lfs pull`"}},
    {0, "<!", kPage},
    {0, "<html", kPage},
    {0, "<HTML", kPage},
    {0, "<?xml", {"an XML file", ""}},
    {0, "\x1f\x8b", compressed("gzip")},
    {0, "BZh", compressed("bzip2")},
    {0,
     "\xfd"
     "7zXZ"s,
     compressed("xz")},
    {0, "\x28\xb5\x2f\xfd", compressed("zstd")},
    {0, "7z\xbc\xaf", compressed("7-Zip")},
    {257, "ustar", {"a tar archive", "unpack it first"}},
    {0, "\x93NUMPY", {"a NumPy array (.npy)", ""}},
    {0, "\x89HDF", {"an HDF5 file (Keras?)", ""}},
    {0, "\x89PNG", {"an image (PNG)", ""}},
    {0, "\xff\xd8\xff", {"an image (JPEG)", ""}},
    {0, "GGUF", {"a GGUF model", ""}},
    {4, "TFL3", {"a TensorFlow Lite model", ""}},
    {4, "ET1", {"an ExecuTorch program", ""}},
    {0,
     "\x7f"
     "ELF"s,
     {"a program or shared library", ""}},
    {8, "{\"", {"a safetensors file: weights without a program", ""}},
    {8, "{}", {"a safetensors file: weights without a program", ""}},
    {0, "{", {"a JSON file", ""}},
};

bool starts(const std::string& head, size_t offset, const std::string& bytes) {
  return head.size() >= offset && head.compare(offset, bytes.size(), bytes) == 0;
}

// The name of the first record, from its local header.
std::string first_record(const std::string& zip) {
  constexpr size_t kLocalBytes = 30;
  if (zip.size() < kLocalBytes) return "";
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(zip[i]); };
  return zip.substr(kLocalBytes, byte(26) | byte(27) << 8);
}

// A protobuf that begins with the field ir_version, and then one of the other fields of ModelProto.
bool is_onnx(const std::string& head) {
  return head.size() > 2 && head[0] == 8 && head[1] > 0 && head[1] < 32 &&
         "\x12\x1a\x22\x28\x32\x3a\x42\x72"s.find(head[2]) != std::string::npos;
}

bool is_text(const std::string& head) {
  return std::all_of(head.begin(), head.end(),
                     [](unsigned char c) { return (c >= 0x20 && c < 0x7f) || (c >= '\t' && c <= '\r'); });
}

}  // namespace

FileKind file_kind(const InputFile& file) {
  const std::vector<uint8_t> bytes = file.read(0, std::min<uint64_t>(file.size(), 1024));
  const std::string head(bytes.begin(), bytes.end());
  if (starts(head, 0, "PK\x03\x04")) {
    const std::string name = first_record(head);
    const bool array = name.size() > 4 && name.compare(name.size() - 4, 4, ".npy") == 0;
    return array ? FileKind{"a NumPy archive (.npz)", ""} : FileKind{};
  }
  for (const Signature& s : kSignatures) {
    if (starts(head, s.offset, s.bytes)) return s.kind;
  }
  if (head.size() > 2 && head[0] == '\x80' && head[1] >= 2 && head[1] <= 5)
    return {"a pickle, as an old torch.save wrote: weights without a program", ""};
  if (is_onnx(head)) return {"an ONNX model", ""};
  if (head.size() > 8 && is_text(head)) return {"a text file", ""};
  return {};
}

std::string pickle_kind(const std::string& pickle) {
  const auto has = [&](const char* text) { return pickle.find(text) != std::string::npos; };
  static const std::regex kGlobal(
      "\x80.c([A-Za-z0-9_.]+)\n([A-Za-z0-9_]+)\n");  // protocol, then the first class
  std::smatch first;
  const std::string head = pickle.substr(0, 300);
  const bool named = std::regex_search(head, first, kGlobal, std::regex_constants::match_continuous);
  if (has("_parameters") && has("_modules")) {
    const std::string of = named ? fmt::format(" of the class {}.{}", first[1].str(), first[2].str()) : "";
    return fmt::format("a module{}, written by torch.save: it can be read only in Python, where its class is",
                       of);
  }
  if (named && first[1] == "torch._utils") return "a tensor written by torch.save";
  return "a checkpoint written by torch.save: weights without a program";
}

}  // namespace vqt
