// Reads --inputs with torch's own unpickler, which builds plain values only and runs no code.
#include "loader/archive/inputs_file.h"

#include <ATen/core/jit_type.h>
#include <fmt/format.h>
#include <torch/csrc/jit/serialization/pickle.h>

#include <algorithm>

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

}  // namespace

std::vector<c10::IValue> read_inputs(const std::string& path) {
  c10::IValue value;
  {
    const InputFile file(path);
    const ZipDirectory zip = read_zip_directory(file);
    if (!zip.find("data.pkl") || zip.has_folder("code/") || zip.find("constants.pkl")) {
      throw Error(
          fmt::format("{}: expected what torch.save wrote (a tensor, or a tuple or list of forward's "
                      "arguments), got {}",
                      path, zip.find("data.pkl") ? "a TorchScript file" : "another zip"));
    }
    verify_records(file, zip);
    const std::vector<uint8_t> bytes = file.read(0, file.size());
    try {
      value = torch::jit::pickle_load(std::vector<char>(bytes.begin(), bytes.end()));
    } catch (const c10::Error& e) {
      throw Error(fmt::format("{}: torch cannot read it: {}", path, error_text(e)));
    }
  }
  if (value.isTensor()) return {value};
  if (!value.isTuple() && !value.isList()) {
    throw Error(fmt::format("{}: expected a tensor, or a tuple or list of forward's arguments, got {}", path,
                            value.type()->repr_str()));
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
