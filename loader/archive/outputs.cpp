// Flattens outputs and compares two of them.
#include "vqt/outputs.h"
#include "vqt/error.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/jit_type.h>
#include <ATen/ops/abs.h>
#include <ATen/ops/dot.h>
#include <ATen/ops/isfinite.h>
#include <ATen/ops/isnan.h>
#include <ATen/ops/max.h>
#include <ATen/ops/mean.h>
#include <ATen/ops/scalar_tensor.h>
#include <ATen/ops/view_as_real.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace vqt {
namespace {

std::string join(const std::string& path, const std::string& part) {
  return path.empty() ? part : path + "." + part;
}

std::string key_text(const c10::IValue& key) {
  if (key.isString()) return key.toStringRef();
  std::ostringstream text;
  text << key;
  return text.str();
}

void flatten(const c10::IValue& value, const std::string& path, NamedTensors& out) {
  const auto add = [&](const at::Tensor& tensor) {
    out.emplace_back(path.empty() ? "output" : path, tensor);
  };
  if (value.isTensor()) {
    if (value.toTensor().defined()) add(value.toTensor());
  } else if (value.isScalar()) {
    add(at::scalar_tensor(value.toScalar()));
  } else if (value.isTuple()) {
    const auto& elements = value.toTupleRef().elements();
    const auto type = value.type()->cast<c10::TupleType>();
    const auto names = type ? type->names() : std::nullopt;
    for (size_t i = 0; i < elements.size(); ++i) {
      flatten(elements[i], join(path, names ? std::string((*names)[i]) : std::to_string(i)), out);
    }
  } else if (value.isList()) {
    const auto list = value.toListRef();
    for (size_t i = 0; i < list.size(); ++i) flatten(list[i], join(path, std::to_string(i)), out);
  } else if (value.isGenericDict()) {
    for (const auto& entry : value.toGenericDict()) {
      flatten(entry.value(), join(path, key_text(entry.key())), out);
    }
  }
}

std::string shape_text(const at::Tensor& t) {
  return fmt::format("[{}]", fmt::join(t.sizes().begin(), t.sizes().end(), ", "));
}

at::Tensor flat_double(const at::Tensor& t) {
  const at::Tensor plain = t.is_complex() ? at::view_as_real(t.resolve_conj()) : t;
  return plain.detach().to(at::kCPU, at::kDouble).reshape({-1}).contiguous();
}

void compare(const at::Tensor& reference, const at::Tensor& got, Difference& d) {
  if (reference.sizes() != got.sizes()) {
    d.problem = fmt::format("shape {}, the reference has {}", shape_text(got), shape_text(reference));
    return;
  }
  if (reference.numel() == 0) return;
  const at::Tensor r = flat_double(reference), g = flat_double(got), error = at::abs(g - r);
  const int64_t nans = at::isnan(g).sum().item<int64_t>();
  const int64_t finite = at::isfinite(g).sum().item<int64_t>();
  if (finite != g.numel()) {
    d.finite = false;
    d.problem = fmt::format("{} NaN and {} Inf among {} values", nans, g.numel() - finite - nans, g.numel());
  }
  d.mae = error.mean().item<double>();
  d.max_error = error.max().item<double>();
  const double rr = r.dot(r).item<double>(), gg = g.dot(g).item<double>(), rg = r.dot(g).item<double>();
  const double ee = error.dot(error).item<double>();
  d.sqnr_db = ee == 0 ? std::numeric_limits<double>::infinity() : 10 * std::log10(rr / ee);
  if (rr == 0 || gg == 0) {
    d.cosine = rr == gg ? 1 : 0;
  } else {
    d.cosine = rg / (std::sqrt(rr) * std::sqrt(gg));
  }
}

const at::Tensor* find(const NamedTensors& list, const std::string& path) {
  const auto found = std::find_if(list.begin(), list.end(), [&](const auto& e) { return e.first == path; });
  return found == list.end() ? nullptr : &found->second;
}

}  // namespace

NamedTensors flatten_outputs(const c10::IValue& value) {
  NamedTensors out;
  flatten(value, "", out);
  if (out.empty()) {
    throw Error(
        fmt::format("the model returned {}, which holds no tensor; expected a tensor or a nest of tuples, "
                    "lists and dictionaries of them",
                    value.type()->repr_str()));
  }
  return out;
}

std::vector<Difference> compare_tensors(const NamedTensors& reference, const NamedTensors& got) {
  std::vector<Difference> differences;
  for (const auto& [path, tensor] : reference) {
    Difference d;
    d.path = path;
    if (const at::Tensor* other = find(got, path)) {
      compare(tensor, *other, d);
    } else {
      d.problem = "the model under test does not return it";
    }
    differences.push_back(d);
  }
  for (const auto& [path, tensor] : got) {
    if (find(reference, path)) continue;
    Difference d;
    d.path = path;
    d.problem = "the reference does not return it";
    differences.push_back(d);
  }
  return differences;
}

}  // namespace vqt
