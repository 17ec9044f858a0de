// Reads a tensor file.
#include "loader/archive/tensor_file.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>

#include "loader/archive/tensor_header.h"
#include "vqt/error.h"

namespace vqt {
namespace {

using Json = nlohmann::ordered_json;

constexpr uint64_t kMostHeaderBytes = 100'000'000;  // as in the safetensors library

template <typename... Args>
[[noreturn]] void fail(const InputFile& file, fmt::format_string<Args...> text, Args&&... args) {
  throw Error(fmt::format("{}: not a usable safetensors file: {}", file.path(),
                          fmt::format(text, std::forward<Args>(args)...)));
}

std::string read_header(const InputFile& file) {
  if (file.size() < kLengthBytes)
    fail(file, "it has {} bytes; expected {} for the header's length and then the header", file.size(),
         kLengthBytes);
  uint64_t bytes = 0;
  const std::vector<uint8_t> length = file.read(0, kLengthBytes);
  for (size_t i = 0; i < kLengthBytes; ++i) bytes |= uint64_t{length[i]} << (8 * i);
  const uint64_t most = std::min(kMostHeaderBytes, file.size() - kLengthBytes);
  if (bytes > most)
    fail(file, "its first 8 bytes say that the header has {} bytes; expected at most {}", bytes, most);
  const std::vector<uint8_t> text = file.read(kLengthBytes, bytes);
  if (text.empty() || text[0] != '{') fail(file, "the header does not begin with {{");
  return {text.begin(), text.end()};
}

Json parse_header(const InputFile& file, const std::string& text) {
  std::set<std::string> names;
  std::string twice;
  const auto note_names = [&](int depth, Json::parse_event_t event, const Json& parsed) {
    if (depth == 1 && event == Json::parse_event_t::key && !names.insert(parsed.get<std::string>()).second)
      twice = parsed.get<std::string>();
    return true;
  };
  Json header;
  try {
    header = Json::parse(text, note_names);
  } catch (const Json::exception& e) {
    fail(file, "the header is not JSON: {}", e.what());
  }
  if (!twice.empty()) fail(file, "the header names {} twice", twice);
  return header;
}

const Json& member(const InputFile& file, const std::string& name, const Json& entry, const char* key) {
  const auto found = entry.is_object() ? entry.find(key) : entry.end();
  if (!entry.is_object() || found == entry.end()) fail(file, "{}: {} is missing", name, key);
  return *found;
}

uint64_t whole_number(const InputFile& file, const std::string& name, const char* key, const Json& json) {
  if (!json.is_number_unsigned())
    fail(file, "{}: {}: expected a whole number, got {}", name, key, json.dump());
  return json.get<uint64_t>();
}

TensorEntry read_entry(const InputFile& file, const std::string& name, const Json& json) {
  TensorEntry t;
  t.name = name;
  const Json &dtype = member(file, name, json, "dtype"), &shape = member(file, name, json, "shape"),
             &offsets = member(file, name, json, "data_offsets");
  uint64_t bytes = dtype.is_string() ? dtype_bytes(dtype.get<std::string>()) : 0;
  if (bytes == 0) fail(file, "{}: dtype: expected one of {}, got {}", name, dtype_names(), dtype.dump());
  t.dtype = dtype.get<std::string>();
  if (!shape.is_array()) fail(file, "{}: shape: expected a list, got {}", name, shape.dump());
  for (const Json& size : shape) {
    const uint64_t n = whole_number(file, name, "shape", size);
    if (n > INT64_MAX || __builtin_mul_overflow(bytes, n, &bytes))
      fail(file, "{}: shape {} is too large", name, shape.dump());
    t.shape.push_back(static_cast<int64_t>(n));
  }
  if (!offsets.is_array() || offsets.size() != 2)
    fail(file, "{}: data_offsets: expected [begin, end], got {}", name, offsets.dump());
  t.begin = whole_number(file, name, "data_offsets", offsets[0]);
  t.end = whole_number(file, name, "data_offsets", offsets[1]);
  if (t.end < t.begin || t.end - t.begin != bytes)
    fail(file, "{}: {} {} takes {} bytes, its data_offsets are {}", name, t.dtype, shape.dump(), bytes,
         offsets.dump());
  return t;
}

TensorMetadata read_metadata(const InputFile& file, const Json& json) {
  TensorMetadata metadata;
  if (!json.is_object()) fail(file, "__metadata__: expected an object, got {}", json.type_name());
  for (const auto& [key, text] : json.items()) {
    if (!text.is_string()) fail(file, "__metadata__: {}: expected a text, got {}", key, text.type_name());
    metadata[key] = text.get<std::string>();
  }
  return metadata;
}

// Each byte of the data belongs to one tensor.
void check_layout(const InputFile& file, uint64_t data_bytes, const std::vector<TensorEntry>& tensors) {
  uint64_t next = 0;
  for (const TensorEntry& t : tensors) {
    if (t.begin != next)
      fail(file, "{} begins at byte {} of the data; expected {}, where the tensor before it ends", t.name,
           t.begin, next);
    next = t.end;
  }
  if (next != data_bytes)
    fail(file, "the tensors take {} bytes, {} follow the header{}", next, data_bytes,
         next > data_bytes ? "; the copy is probably cut short" : "");
}

void take_checksums(const InputFile& file, TensorMetadata& metadata, std::vector<TensorEntry>& tensors) {
  const auto found = metadata.find(kChecksumKey);
  if (found == metadata.end()) return;
  const Json sums = Json::parse(found->second, nullptr, /*allow_exceptions=*/false);
  for (TensorEntry& t : tensors) {
    const auto sum = sums.is_object() ? sums.find(t.name) : sums.end();
    if (!sums.is_object() || sum == sums.end() || !sum->is_number_unsigned() ||
        sum->get<uint64_t>() > UINT32_MAX)
      fail(file, "__metadata__: {}: expected a checksum for {}", kChecksumKey, t.name);
    t.crc32 = sum->get<uint32_t>();
  }
  metadata.erase(found);
}

}  // namespace

TensorFile::TensorFile(const std::string& path) : file_(path) {
  const std::string text = read_header(file_);
  const Json header = parse_header(file_, text);
  data_offset_ = kLengthBytes + text.size();
  for (const auto& [name, json] : header.items()) {
    if (name == kMetadataKey) {
      metadata_ = read_metadata(file_, json);
    } else {
      tensors_.push_back(read_entry(file_, name, json));
    }
  }
  std::stable_sort(tensors_.begin(), tensors_.end(), [](const TensorEntry& a, const TensorEntry& b) {
    return std::make_pair(a.begin, a.end) < std::make_pair(b.begin, b.end);
  });
  check_layout(file_, file_.size() - data_offset_, tensors_);
  take_checksums(file_, metadata_, tensors_);
}

const TensorEntry* TensorFile::find(const std::string& name) const {
  const auto found =
      std::find_if(tensors_.begin(), tensors_.end(), [&](const TensorEntry& t) { return t.name == name; });
  return found == tensors_.end() ? nullptr : &*found;
}

std::string TensorFile::metadata(const std::string& key) const {
  const auto found = metadata_.find(key);
  return found == metadata_.end() ? "" : found->second;
}

void TensorFile::read(const TensorEntry& tensor, void* to) const {
  if (tensor.bytes() == 0) return;
  file_.read(data_offset_ + tensor.begin, to, tensor.bytes());
  if (tensor.crc32 && crc32_z(0, static_cast<const Bytef*>(to), tensor.bytes()) != *tensor.crc32)
    throw Error(fmt::format("{}: damaged: {} has another checksum", path(), tensor.name));
}

}  // namespace vqt
