#include "eval/runs/check_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <map>
#include <vector>

#include "vqt/archive.h"
#include "vqt/quantize.h"

namespace vqt {
namespace {

constexpr double kLeastShared = 0.6, kMostMissing = 0.1;

using Shape = std::vector<int64_t>;
using Shapes = std::map<std::string, Shape>;  // by name

Shapes parameters_of(const torch::jit::Module& model) {
  Shapes shapes;
  for (const auto& p : model.named_parameters()) shapes[p.name] = p.value.sizes().vec();
  return shapes;
}

Shapes layers_of(const torch::jit::Module& model) {
  Shapes shapes;
  for (const SiteReport& row : describe_sites(model)) {
    if (has_weight(row)) shapes[row.name] = {row.n, row.k};
  }
  return shapes;
}

bool has_below(const Shapes& shapes, const std::string& module) {
  const auto next = shapes.lower_bound(module + ".");
  return next != shapes.end() && next->first.rfind(module + ".", 0) == 0;
}

std::string shape_text(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape, ", ")); }

// Of a name in both.
std::string other_shape(const Shapes& model, const Shapes& reference) {
  for (const auto& [name, shape] : model) {
    const auto same = reference.find(name);
    if (same != reference.end() && same->second != shape)
      return fmt::format("{} is {}, in the reference {}", name, shape_text(shape), shape_text(same->second));
  }
  return "";
}

// "2 of its layers are not in the reference (blocks.3, ...)"; empty where there are none.
std::string missing(const std::vector<std::string>& names, const char* what, const char* where) {
  if (names.empty()) return "";
  return fmt::format("{} of {} {} not in {} ({}{})", names.size(), what, names.size() == 1 ? "is" : "are",
                     where, names[0], names.size() > 1 ? ", ..." : "");
}

// Of a quantized model, whose float weights are gone. A layer's weight may have been computed from several parameters
// of its module, and other versions name other layers: only what can be nothing else is a difference.
std::string other_layers(const torch::jit::Module& model, const torch::jit::Module& reference) {
  const Shapes here = layers_of(model), there = layers_of(reference);
  if (std::string text = other_shape(here, there); !text.empty()) return text;
  const Shapes parameters_here = parameters_of(model), parameters_there = parameters_of(reference);
  std::vector<std::string> only_here, only_there;
  for (const auto& [name, shape] : here) {
    if (there.count(name) == 0 && !has_below(parameters_there, name)) only_here.push_back(name);
  }
  for (const auto& [name, shape] : there) {
    if (here.count(name) == 0 && !has_below(parameters_here, name)) only_there.push_back(name);
  }
  if (!only_here.empty()) return missing(only_here, "its layers", "the reference");
  if (only_there.size() > kMostMissing * there.size())
    return missing(only_there, "the reference's layers", "it");
  return "";
}

std::string other_parameters(const torch::jit::Module& model, const torch::jit::Module& reference) {
  const Shapes here = parameters_of(model), there = parameters_of(reference);
  if (here.empty() || there.empty()) return "";
  if (std::string text = other_shape(here, there); !text.empty()) return text;
  const auto shared =
      std::count_if(here.begin(), here.end(), [&](const auto& p) { return there.count(p.first) > 0; });
  const auto all = static_cast<double>(here.size() + there.size()) - static_cast<double>(shared);
  if (static_cast<double>(shared) >= kLeastShared * all) return "";
  return fmt::format("only {} of its {} parameters have a name of the reference's {}", shared, here.size(),
                     there.size());
}

// vqt-eval calls forward with the images.
void check_input(const torch::jit::Module& model, const std::string& path) {
  const auto& arguments = model.get_method("forward").function().getSchema().arguments();
  const auto required = std::count_if(arguments.begin() + 1, arguments.end(),
                                      [](const c10::Argument& a) { return !a.default_value().has_value(); });
  const bool takes_images =
      arguments.size() > 1 && required <= 1 && c10::TensorType::get()->isSubtypeOf(*arguments[1].type());
  if (takes_images) return;
  std::vector<std::string> list;
  for (size_t i = 1; i < arguments.size(); ++i)
    list.push_back(fmt::format("{}: {}", arguments[i].name(), arguments[i].type()->annotation_str()));
  throw Error(fmt::format("{}: expected a forward that takes one tensor, the images, got forward({})", path,
                          fmt::join(list, ", ")));
}

torch::jit::Module structure_of(const std::string& path) {
  torch::jit::Module model = load_archive(path, {/*structure_only=*/true, {}}).module;
  check_input(model, path);
  return model;
}

}  // namespace

std::string other_architecture(const torch::jit::Module& model, const torch::jit::Module& reference) {
  return is_quantized(model) ? other_layers(model, reference) : other_parameters(model, reference);
}

void check_models(const RunSettings& settings) {
  const torch::jit::Module reference = structure_of(settings.reference);
  if (is_quantized(reference)) {
    throw Error(
        fmt::format("--reference: {}: is already quantized; expected the float model that it was made from",
                    settings.reference));
  }
  for (const Candidate& c : settings.candidates) {
    if (c.source == "model") {
      const std::string difference = other_architecture(structure_of(c.path), reference);
      if (difference.empty()) continue;
      throw Error(fmt::format("--model: {}: is of another architecture than the reference {}: {}", c.path,
                              settings.reference, difference));
    }
    describe_sites(reference, &c.config);  // a pattern that matches nothing fails now, not after an hour
  }
}

}  // namespace vqt
