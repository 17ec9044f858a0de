// Reads --inputs with torch's own unpickler, which builds plain values only and runs no code.
#include "loader/archive/inputs_file.h"

#include <ATen/core/jit_type.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>

#include "loader/archive/file_kind.h"
#include "loader/archive/zip_directory.h"
#include "vqt/error.h"
#include "vqt/error_text.h"

namespace vqt {
namespace {

// The unpickler makes List[Any] and Dict[Any, Any]; a scripted forward takes what Python would pass.
c10::IValue typed(const c10::IValue& value) {
  if (value.isTuple()) {
    std::vector<c10::IValue> elements;
    for (const c10::IValue& e : value.toTupleRef().elements()) elements.push_back(typed(e));
    return c10::ivalue::Tuple::create(std::move(elements));
  }
  if (value.isList() && !value.isTensorList()) {
    std::vector<c10::IValue> elements;
    for (const c10::IValue& e : value.toListRef()) elements.push_back(typed(e));
    if (elements.empty()) return value;
    c10::TypePtr type = elements[0].type();
    for (const c10::IValue& e : elements) {
      if (*e.type() != *type) type = c10::AnyType::get();
    }
    if (elements[0].isTensor() && type->kind() != c10::AnyType::Kind) type = c10::TensorType::get();
    c10::impl::GenericList list(type);
    for (c10::IValue& e : elements) list.push_back(std::move(e));
    return list;
  }
  if (value.isGenericDict()) {
    const auto dict = value.toGenericDict();
    if (dict.empty()) return value;
    c10::TypePtr key = dict.begin()->key().type(), type;
    std::vector<std::pair<c10::IValue, c10::IValue>> entries;
    for (const auto& entry : dict) {
      entries.emplace_back(entry.key(), typed(entry.value()));
      const c10::TypePtr t = entries.back().second.isTensor() ? c10::TypePtr(c10::TensorType::get())
                                                              : entries.back().second.type();
      if (!type) type = t;
      if (*t != *type) type = c10::AnyType::get();
    }
    c10::impl::GenericDict out(key, type);
    for (auto& [k, v] : entries) out.insert(k, v);
    return out;
  }
  return value;
}

constexpr const char* kExpected =
    "expected what torch.save wrote (a tensor, or a tuple or list of forward's arguments)";

void refuse_other_kinds(const InputFile& file) {
  const FileKind kind = file_kind(file);
  if (kind.what.empty()) return;
  std::string step = kind.step;
  if (kind.what.find("NumPy") != std::string::npos) {
    const bool several = kind.what.find(".npz") != std::string::npos;
    step = fmt::format("{}: torch.save(torch.from_numpy(numpy.load(\"{}\"){}), \"inputs.pt\")", kExpected,
                       file.path(), several ? "[NAME]" : "");
  } else if (step.empty()) {
    step = kExpected;
  }
  throw Error(fmt::format("{}: {}; {}", file.path(), kind.what, step));
}

// The unpickler knows tensors and plain values; it fails on objects of other classes.
[[noreturn]] void refuse_objects(const std::string& path, const std::string& pickle, const std::string& why) {
  const auto has = [&](const char* text) { return pickle.find(text) != std::string::npos; };
  std::string got;
  if (has("_parameters") && has("_modules")) {
    got = "a module";
  } else if (has("_metadata")) {
    got = "a state dict";
  } else if (has("numpy")) {
    got = "NumPy arrays; torch.from_numpy makes tensors of them";
  }
  throw Error(got.empty() ? fmt::format("{}: torch cannot read it: {}", path, why)
                          : fmt::format("{}: {}, got {}", path, kExpected, got));
}

}  // namespace

std::vector<c10::IValue> read_inputs(const std::string& path) {
  c10::IValue value;
  {
    const InputFile file(path);
    refuse_other_kinds(file);
    const ZipDirectory zip = read_zip_directory(file);
    const ZipRecord* pickle = zip.find("data.pkl");
    if (!pickle || zip.has_folder("code/") || zip.find("constants.pkl")) {
      throw Error(
          fmt::format("{}: {}, got {}", path, kExpected, pickle ? "a TorchScript file" : "another zip"));
    }
    verify_records(file, zip);
    const std::vector<uint8_t> bytes = file.read(0, file.size());
    try {
      value = torch::jit::pickle_load(std::vector<char>(bytes.begin(), bytes.end()));
    } catch (const c10::Error& e) {
      refuse_objects(path, read_record(file, *pickle, file.size()), error_text(e));
    }
  }
  if (value.isTensor()) return {value};
  if (!value.isTuple() && !value.isList()) {
    throw Error(fmt::format("{}: {}, got {}", path, kExpected, value.type()->repr_str()));
  }
  std::vector<c10::IValue> arguments;
  if (value.isTuple()) {
    for (const c10::IValue& e : value.toTupleRef().elements()) arguments.push_back(typed(e));
  } else {
    for (const c10::IValue& e : value.toListRef()) arguments.push_back(typed(e));
  }
  return arguments;
}

}  // namespace vqt
