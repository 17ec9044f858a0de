// Metadata of the tensor file: "forwards", JSON [{"first", "count", "outputs": [paths]},
// ...], and "about", JSON.
#include "eval/runs/outputs_file.h"

#include <ATen/ops/empty.h>
#include <c10/core/ScalarType.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "vqt/error.h"

namespace vqt {
namespace {
using Json = nlohmann::ordered_json;

constexpr const char* kForwards = "forwards";
constexpr const char* kAbout = "about";
constexpr uint64_t kHeaderRoom = 4096;  // per forward pass

struct Type {
  c10::ScalarType torch;
  const char* dtype;  // of tensor files
};
constexpr Type kTypes[] = {{at::kFloat, "F32"},     {at::kDouble, "F64"}, {at::kHalf, "F16"},
                           {at::kBFloat16, "BF16"}, {at::kByte, "U8"},    {at::kChar, "I8"},
                           {at::kShort, "I16"},     {at::kInt, "I32"},    {at::kLong, "I64"},
                           {at::kBool, "BOOL"}};

const Type* find_type(c10::ScalarType torch) {
  const auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& t) { return t.torch == torch; });
  return found == std::end(kTypes) ? nullptr : found;
}

const Type* find_type(const std::string& dtype) {
  const auto* found =
      std::find_if(std::begin(kTypes), std::end(kTypes), [&](const Type& t) { return dtype == t.dtype; });
  return found == std::end(kTypes) ? nullptr : found;
}

std::string text_of(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

std::string name_of(size_t forward, const std::string& path) { return fmt::format("{}/{}", forward, path); }

// Files of outputs had a layout of their own until they became tensor files.
TensorFile open(const std::string& path) {
  std::string start(8, '\0');
  std::ifstream(path, std::ios::binary).read(start.data(), 8);
  if (start == "vqtfwd01") {
    throw Error(
        fmt::format("{}: written by an older version of vqt-eval in a format that is no longer read; "
                    "run once with --save-reference to write it again",
                    path));
  }
  try {
    return TensorFile(path);
  } catch (const Error& e) {
    throw Error(fmt::format("{}; expected a file that vqt-eval --save-reference wrote", e.what()));
  }
}

ForwardOutputs read_forward(const TensorFile& file, size_t number, const Json& json, int64_t first) {
  ForwardOutputs f{json.at("first"), json.at("count"), {}};
  if (f.first != first || f.count <= 0) throw Error("its forward passes do not follow each other");
  for (const Json& path : json.at("outputs")) {
    const std::string name = name_of(number, path.get<std::string>());
    const TensorEntry* entry = file.find(name);
    const Type* type = entry ? find_type(entry->dtype) : nullptr;
    if (!entry) throw Error(fmt::format("there is no tensor {}", name));
    if (!type) throw Error(fmt::format("{}: dtype {} is not one of an output", name, entry->dtype));
    f.tensors.push_back({path.get<std::string>(), c10::toString(type->torch), entry->shape, name});
  }
  return f;
}

}  // namespace

const ForwardOutputs::Tensor* ForwardOutputs::find(const std::string& path) const {
  const auto found =
      std::find_if(tensors.begin(), tensors.end(), [&](const Tensor& t) { return t.path == path; });
  return found == tensors.end() ? nullptr : &*found;
}

OutputsWriter::OutputsWriter(const std::string& path, size_t passes) : file_(path, kHeaderRoom * passes) {}

void OutputsWriter::append(const NamedTensors& outputs, int64_t first, int64_t count) {
  Json paths = Json::array();
  for (const auto& [path, output] : outputs) {
    const at::Tensor tensor = output.detach().cpu().contiguous();
    const Type* type = find_type(tensor.scalar_type());
    if (!type)
      throw Error(
          fmt::format("output {}: cannot be stored: type {}", path, c10::toString(tensor.scalar_type())));
    file_.append(name_of(passes_.size(), path), type->dtype, tensor.sizes().vec(), tensor.const_data_ptr());
    paths.push_back(path);
  }
  passes_.push_back({{"first", first}, {"count", count}, {"outputs", std::move(paths)}});
}

void OutputsWriter::finish() { file_.finish({{kForwards, text_of(passes_)}}); }

OutputsFile::OutputsFile(const std::string& path) : file_(open(path)) {
  if (file_.metadata(kForwards).empty())
    throw Error(fmt::format("{}: not a file of outputs that vqt-eval --save-reference wrote", path));
  try {
    if (!file_.metadata(kAbout).empty()) about_ = Json::parse(file_.metadata(kAbout));
    int64_t next = 0;  // image
    for (const Json& json : Json::parse(file_.metadata(kForwards))) {
      passes_.push_back(read_forward(file_, passes_.size(), json, next));
      next += passes_.back().count;
    }
    if (passes_.empty()) throw Error("it has no forward pass");
  } catch (const std::exception& e) {
    throw Error(fmt::format("{}: damaged, its metadata cannot be used: {}", path, e.what()));
  }
}

at::Tensor OutputsFile::read(const ForwardOutputs::Tensor& tensor) const {
  const TensorEntry& entry = *file_.find(tensor.name);
  const at::Tensor result = at::empty(entry.shape, find_type(entry.dtype)->torch);
  file_.read(entry, result.data_ptr());
  return result;
}

void save_outputs(const OutputsFile& file, const Json& about, const std::string& path) {
  TensorMetadata metadata = file.file_.metadata();
  metadata[kAbout] = text_of(about);
  copy_tensors(file.file_, metadata, path);
}

}  // namespace vqt
