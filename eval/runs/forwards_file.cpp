#include "eval/runs/forwards_file.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

#include "vqt/atomic_file.h"
#include "vqt/error.h"

namespace vqt {
namespace {
using Json = nlohmann::ordered_json;

constexpr char kMagic[] = "vqtfwd01";
constexpr uint64_t kMagicBytes = 8, kEndBytes = 24;
constexpr c10::ScalarType kTypes[] = {at::kFloat, at::kDouble, at::kHalf, at::kBFloat16, at::kByte,
                                      at::kChar,  at::kShort,  at::kInt,  at::kLong,     at::kBool};

const c10::ScalarType* type_named(const std::string& name) {
  const auto* found = std::find_if(std::begin(kTypes), std::end(kTypes),
                                   [&](auto type) { return name == c10::toString(type); });
  return found == std::end(kTypes) ? nullptr : found;
}

std::string ending(uint64_t index_offset, uint64_t index_bytes) {
  std::string text(2 * sizeof(uint64_t), '\0');
  std::memcpy(text.data(), &index_offset, sizeof index_offset);
  std::memcpy(text.data() + sizeof index_offset, &index_bytes, sizeof index_bytes);
  return text + kMagic;
}

Json to_json(const std::vector<ForwardOutputs>& forwards, const Json& about) {
  Json all = Json::array();
  for (const ForwardOutputs& f : forwards) {
    Json tensors = Json::array();
    for (const ForwardOutputs::Tensor& t : f.tensors) {
      tensors.push_back({{"path", t.path},
                         {"type", t.type},
                         {"shape", t.shape},
                         {"offset", t.offset},
                         {"bytes", t.bytes},
                         {"crc32", t.crc32}});
    }
    all.push_back({{"first", f.first}, {"count", f.count}, {"tensors", std::move(tensors)}});
  }
  return {{"forwards", std::move(all)}, {"about", about}};
}

// Every number is bounded before it is used: the file may come from anywhere.
ForwardOutputs::Tensor tensor_from(const Json& json, uint64_t end) {
  ForwardOutputs::Tensor t{json.at("path"),   json.at("type"),  json.at("shape").get<std::vector<int64_t>>(),
                           json.at("offset"), json.at("bytes"), json.at("crc32")};
  const c10::ScalarType* type = type_named(t.type);
  if (!type) throw Error(fmt::format("{}: type {}", t.path, t.type));
  uint64_t bytes = c10::elementSize(*type);
  bool good = t.offset >= kMagicBytes && t.offset <= end && t.bytes <= end - t.offset;
  for (const int64_t size : t.shape) {
    good = good && size >= 0 && (size == 0 || bytes <= end / static_cast<uint64_t>(size));
    if (good) bytes *= static_cast<uint64_t>(size);
  }
  if (!good || bytes != t.bytes) throw Error(fmt::format("{}: its size", t.path));
  return t;
}

}  // namespace

const ForwardOutputs::Tensor* ForwardOutputs::find(const std::string& path) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.path == path; });
  return found == tensors.end() ? nullptr : &*found;
}

ForwardsWriter::ForwardsWriter(const std::string& path) : path_(path), file_(path, std::ios::binary) {
  write(kMagic, kMagicBytes);
}

void ForwardsWriter::write(const void* data, uint64_t bytes) {
  file_.write(static_cast<const char*>(data), static_cast<std::streamsize>(bytes));
  size_ += bytes;
  if (!file_) throw Error(fmt::format("{}: cannot be written: {}", path_, std::strerror(errno)));
}

void ForwardsWriter::append(const NamedTensors& outputs, int64_t first, int64_t count) {
  ForwardOutputs& forward = forwards_.emplace_back();
  forward.first = first;
  forward.count = count;
  for (const auto& [path, output] : outputs) {
    const at::Tensor tensor = output.detach().cpu().contiguous();
    const std::string type = c10::toString(tensor.scalar_type());
    if (!type_named(type)) throw Error(fmt::format("output {}: cannot be stored: type {}", path, type));
    const uint64_t bytes = tensor.nbytes();
    const auto* data = static_cast<const Bytef*>(tensor.data_ptr());
    forward.tensors.push_back({path, type, tensor.sizes().vec(), size_, bytes,
                               static_cast<uint32_t>(bytes > 0 ? crc32_z(0, data, bytes) : 0)});
    if (bytes > 0) write(data, bytes);
  }
}

void ForwardsWriter::finish() {
  const std::string index = to_json(forwards_, nullptr).dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::string end = ending(size_, index.size());
  write(index.data(), index.size());
  write(end.data(), end.size());
  file_.close();
  if (!file_) throw Error(fmt::format("{}: cannot be written: {}", path_, std::strerror(errno)));
}

ForwardsFile::ForwardsFile(const std::string& path) : path_(path), file_(path, std::ios::binary) {
  if (!file_) throw Error(fmt::format("{}: cannot be read: {}", path, std::strerror(errno)));
  file_.seekg(0, std::ios::end);
  const auto bytes = static_cast<uint64_t>(std::max<std::streamoff>(0, file_.tellg()));
  std::string start(kMagicBytes, '\0'), end(kEndBytes, '\0');
  if (bytes >= kMagicBytes + kEndBytes) {
    file_.seekg(0);
    file_.read(start.data(), kMagicBytes);
    file_.seekg(static_cast<std::streamoff>(bytes - kEndBytes));
    file_.read(end.data(), kEndBytes);
  }
  if (!file_ || start != kMagic)
    throw Error(fmt::format("{}: is no file of outputs that vqt-eval --save-reference wrote", path));
  uint64_t size = 0;
  std::memcpy(&index_offset_, end.data(), sizeof index_offset_);
  std::memcpy(&size, end.data() + sizeof index_offset_, sizeof size);
  const uint64_t room = bytes - kEndBytes;
  if (end.substr(kEndBytes - kMagicBytes) != kMagic || index_offset_ > room || size != room - index_offset_) {
    throw Error(
        fmt::format("{}: damaged, its end is not where it should be; the copy is probably cut "
                    "short",
                    path));
  }
  try {
    std::string text(size, '\0');
    file_.seekg(static_cast<std::streamoff>(index_offset_));
    file_.read(text.data(), static_cast<std::streamsize>(size));
    const Json index = Json::parse(text);
    about_ = index.at("about");
    int64_t next = 0;  // picture
    for (const Json& forward : index.at("forwards")) {
      ForwardOutputs& f = forwards_.emplace_back();
      f.first = forward.at("first");
      f.count = forward.at("count");
      if (f.first != next || f.count <= 0) throw Error("forwards do not follow each other");
      next += f.count;
      for (const Json& tensor : forward.at("tensors"))
        f.tensors.push_back(tensor_from(tensor, index_offset_));
    }
    if (forwards_.empty()) throw Error("it has no forward");
  } catch (const std::exception& e) {
    throw Error(fmt::format("{}: damaged, its index cannot be used: {}", path, e.what()));
  }
}

at::Tensor ForwardsFile::read(const ForwardOutputs::Tensor& tensor) const {
  const at::Tensor result = at::empty(tensor.shape, *type_named(tensor.type));
  if (tensor.bytes == 0) return result;
  file_.seekg(static_cast<std::streamoff>(tensor.offset));
  file_.read(static_cast<char*>(result.data_ptr()), static_cast<std::streamsize>(tensor.bytes));
  if (!file_) throw Error(fmt::format("{}: cannot be read: {}", path_, std::strerror(errno)));
  if (crc32_z(0, static_cast<const Bytef*>(result.data_ptr()), tensor.bytes) != tensor.crc32)
    throw Error(fmt::format("{}: damaged: output {} has another checksum", path_, tensor.path));
  return result;
}

void save_forwards(const ForwardsFile& forwards, const Json& about, const std::string& path) {
  AtomicFile out(path);
  std::vector<char> piece(1 << 20);
  forwards.file_.seekg(0);
  for (uint64_t left = forwards.index_offset_; left > 0;) {
    const auto bytes = static_cast<std::streamsize>(std::min<uint64_t>(piece.size(), left));
    if (!forwards.file_.read(piece.data(), bytes))
      throw Error(fmt::format("{}: cannot be read: {}", forwards.path_, std::strerror(errno)));
    out.append(piece.data(), static_cast<size_t>(bytes));
    left -= static_cast<uint64_t>(bytes);
  }
  const std::string index =
      to_json(forwards.forwards_, about).dump(-1, ' ', false, Json::error_handler_t::replace);
  out.append(index);
  out.append(ending(forwards.index_offset_, index.size()));
  out.commit();
}

}  // namespace vqt
