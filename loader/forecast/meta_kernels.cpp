#include "loader/forecast/meta_kernels.h"

#include <ATen/ExpandUtils.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/softmax.h>
#include <torch/csrc/jit/api/function_impl.h>
#include <torch/csrc/jit/runtime/symbolic_shape_registry.h>
#include <torch/library.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "vqt/error.h"

namespace vqt {
namespace {

using OptionalTensor = std::optional<at::Tensor>;

// The kernel that torch asks devices like Meta to bring; all convolutions end in it.
at::Tensor convolution(const at::Tensor& x, const at::Tensor& weight, const OptionalTensor&,
                       at::IntArrayRef stride, at::IntArrayRef padding, at::IntArrayRef dilation,
                       bool transposed, at::IntArrayRef output_padding, int64_t groups) {
  std::vector<int64_t> sizes = {x.size(0), transposed ? weight.size(1) * groups : weight.size(0)};
  for (int64_t i = 0; i + 2 < x.dim(); ++i) {
    const int64_t kernel = dilation[i] * (weight.size(i + 2) - 1) + 1, n = x.size(i + 2);
    sizes.push_back(transposed ? (n - 1) * stride[i] - 2 * padding[i] + kernel + output_padding[i]
                               : (n + 2 * padding[i] - kernel) / stride[i] + 1);
  }
  return at::empty(sizes, x.options());
}

// On the CPU q [B, H, M, D] is computed block by block, in memory [B, M, H, D]; with other ranks the scores are a
// tensor. On Meta torch takes the second way for all, by this operator.
std::tuple<at::Tensor, at::Tensor> attention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                             const OptionalTensor&, double, bool, const OptionalTensor&,
                                             std::optional<double>, bool) {
  if (q.dim() != 4) {
    const at::Tensor weights = at::softmax(at::matmul(q, k.transpose(-2, -1)), -1);
    return {at::matmul(weights, v), weights};
  }
  const at::Tensor y = at::empty({q.size(0), q.size(2), q.size(1), v.size(3)}, q.options()).transpose(1, 2);
  return {y, at::empty({q.size(0), q.size(2), q.size(1)}, q.options())};  // log of the sum of each row
}

std::tuple<at::Tensor, at::Tensor, at::Tensor> layer_norm(const at::Tensor& x, at::IntArrayRef normalized,
                                                          const OptionalTensor&, const OptionalTensor&,
                                                          double) {
  std::vector<int64_t> rows = x.sizes().vec();
  for (size_t i = rows.size() - normalized.size(); i < rows.size(); ++i) rows[i] = 1;
  return {at::empty(x.sizes(), x.options()), at::empty(rows, x.options()), at::empty(rows, x.options())};
}

// Of the argument that the operator writes to; none: -1.
int written(const c10::FunctionSchema& schema) {
  for (size_t i = 0; i < schema.arguments().size(); ++i) {
    const auto* alias = schema.arguments()[i].alias_info();
    if (alias != nullptr && alias->isWrite()) return static_cast<int>(i);
  }
  return -1;
}

// Any operator: results of the sizes that torch's shape function says, in the dtype of its first tensor.
void by_shape_function(const c10::OperatorHandle& op, c10::Stack* stack) {
  const c10::FunctionSchema& schema = op.schema();
  const size_t count = schema.arguments().size();
  c10::Stack arguments(stack->end() - static_cast<std::ptrdiff_t>(count), stack->end());
  torch::jit::drop(*stack, count);
  if (const int target = written(schema); target >= 0) {
    if (schema.arguments()[target].kwarg_only()) {  // out= of an element-wise operator, which sizes it
      std::vector<int64_t> sizes;
      for (const c10::IValue& a : arguments) {
        if (&a != &arguments[target] && a.isTensor() && a.toTensor().defined())
          sizes = at::infer_size(sizes, a.toTensor().sizes());
      }
      arguments[target].toTensor().resize_(sizes);
    }
    stack->push_back(arguments[target]);
    return;
  }
  const auto shapes = torch::jit::shapeComputeGraphForSchema(schema);
  if (!shapes) throw Error("no size is known of the result of " + schema.name());
  at::TensorOptions options;
  c10::Stack sizes;
  for (const c10::IValue& a : arguments) {
    const bool tensor = a.isTensor() && a.toTensor().defined();
    if (tensor && !options.has_device()) options = a.toTensor().options();
    if (sizes.size() < (*shapes)->inputs().size())
      sizes.push_back(tensor ? c10::IValue(a.toTensor().sizes().vec()) : a);
  }
  torch::jit::GraphFunction(schema.name(), (*shapes)->copy(), nullptr).run(sizes);
  for (const c10::IValue& result : sizes) stack->push_back(at::empty(result.toIntVector(), options));
}

// It computes something on the CPU, and Meta has no kernel of it or of what it is made of.
bool lacks_meta(const c10::OperatorHandle& op) {
  using Key = c10::DispatchKey;
  if (!op.hasSchema() || !op.hasKernelForDispatchKey(Key::CPU)) return false;
  for (const Key key : {Key::Meta, Key::CompositeImplicitAutograd, Key::CompositeExplicitAutograd,
                        Key::CompositeExplicitAutogradNonFunctional}) {
    if (op.hasKernelForDispatchKey(key)) return false;
  }
  return true;
}

using Libraries = std::map<std::string, std::unique_ptr<torch::Library>>;  // by namespace

Libraries register_all() {
  Libraries libraries;
  const auto library = [&](const std::string& name) -> torch::Library& {
    auto& found = libraries[name];
    if (!found)
      found = std::make_unique<torch::Library>(torch::Library::IMPL, name, c10::DispatchKey::Meta, __FILE__,
                                               __LINE__);
    return *found;
  };
  torch::Library& aten = library("aten");
  aten.impl("convolution_overrideable", &convolution);
  aten.impl("_scaled_dot_product_attention_math", &attention);
  aten.impl("native_layer_norm", &layer_norm);
  for (const c10::OperatorName& name : c10::Dispatcher::singleton().getAllOpNames()) {
    const auto op = c10::Dispatcher::singleton().findOp(name);
    const auto space = name.getNamespace();
    if (!op || !space || !lacks_meta(*op)) continue;
    const std::string full = name.overload_name.empty() ? name.name : name.name + "." + name.overload_name;
    library(std::string(*space))
        .impl(full.c_str(), torch::CppFunction::makeFromBoxedFunction<&by_shape_function>());
  }
  return libraries;
}

}  // namespace

void register_meta_kernels() {
  static const Libraries* const libraries = new Libraries(register_all());  // until the process ends
  (void)libraries;
}

}  // namespace vqt
