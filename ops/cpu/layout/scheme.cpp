// Names of vqt/scheme.h.
#include "vqt/scheme.h"

#include <stdexcept>

namespace vqt {
namespace {

template <class Enum, size_t kCount>
Enum enum_from(const Enum (&values)[kCount], const char* what, const std::string& name) {
  std::string names;
  for (Enum value : values) {
    if (name == to_string(value)) return value;
    names += (names.empty() ? "" : ", ") + std::string(to_string(value));
  }
  throw std::invalid_argument(std::string(what) + ": expected one of " + names + ", got \"" + name + "\"");
}

}  // namespace

const char* to_string(Granularity granularity) {
  switch (granularity) {
    case Granularity::kPerTensor:
      return "per_tensor";
    case Granularity::kPerChannel:
      return "per_channel";
    case Granularity::kGroup:
      return "group";
  }
  return "?";
}

Granularity granularity_from(const std::string& name) {
  return enum_from({Granularity::kPerTensor, Granularity::kPerChannel, Granularity::kGroup}, "granularity",
                   name);
}

const char* to_string(ActivationMode activation) {
  switch (activation) {
    case ActivationMode::kDynamic:
      return "dynamic";
    case ActivationMode::kStatic:
      return "static";
    case ActivationMode::kNone:
      return "none";
  }
  return "?";
}

ActivationMode activation_mode_from(const std::string& name) {
  return enum_from({ActivationMode::kDynamic, ActivationMode::kStatic, ActivationMode::kNone}, "activation",
                   name);
}

std::string shorthand(const Scheme& scheme, ActivationMode activation) {
  const bool float_activations = activation == ActivationMode::kNone || scheme.bits == 16;
  std::string name = "w" + std::to_string(scheme.bits) + (float_activations ? "a16" : "a8");
  if (scheme.granularity == Granularity::kGroup) {
    name += scheme.group_size < 0 ? "-row" : "-g" + std::to_string(scheme.group_size);
  }
  return name;
}

}  // namespace vqt
