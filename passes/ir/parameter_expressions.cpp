// Runs the nodes of an expression one by one, on meta tensors for shapes or on the parameters.
#include "passes/ir/parameter_expressions.h"

#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty_strided.h>
#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/runtime/operator.h>

#include <algorithm>
#include <set>
#include <sstream>
#include <unordered_map>

#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_one_of(const Node* node, const std::set<std::string>& names) {
  return names.count(node->kind().toQualString()) != 0;
}

bool is_low_float(at::ScalarType type) {
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
}

const Value* argument_named(const Node* node, const char* name) {
  const FunctionSchema* schema = node->maybeSchema();
  const auto index = schema == nullptr ? std::nullopt : schema->argumentIndexWithName(name);
  return index ? node->input(*index) : nullptr;
}

class Evaluation {
 public:
  struct Known {
    c10::IValue value;
    std::string text;
  };

  Evaluation(const ModelGraphs& model, const ConstantValues& constants, bool shapes_only)
      : model_(model), constants_(constants), shapes_only_(shapes_only) {}

  // Null where the value is not known. Values have at most one entry, however often they are read.
  const Known* of(Value* value) {
    const auto found = known_.find(value);
    if (found != known_.end()) return found->second ? &*found->second : nullptr;
    std::optional<Known> made;
    try {
      made = make(value);
    } catch (const std::exception&) {  // an op that refuses its arguments, or has no meta kernel
    }
    std::optional<Known>& entry = known_[value];
    entry = std::move(made);
    return entry ? &*entry : nullptr;
  }

  std::vector<Value*> leaves;
  std::vector<const Node*> nodes;
  std::unordered_map<const Value*, std::string> leaf_texts;
  std::unordered_map<const Value*, at::Tensor> leaf_tensors;

 private:
  std::optional<Known> make(Value* value) {
    Node* node = value->node();
    if (node->kind() == prim::Constant) {
      const auto constant = toIValue(value);
      return constant ? leaf(value, *constant) : std::nullopt;
    }
    if (node->kind() == prim::GetAttr) {
      if (value->type()->kind() == c10::TypeKind::ClassType) return std::nullopt;
      const int owner = model_.instance_of(node->input(0));
      if (owner < 0 || constants_.is_assigned(owner, node->s(attr::name))) return std::nullopt;
      return leaf(value, model_.attribute(value));
    }
    if (is_alias_of_input(node)) {  // casts among them
      const Known* input = of(node->input(0));
      if (input == nullptr) return std::nullopt;
      return *noted(node, *input);
    }
    if (node->kind() == prim::TupleUnpack || node->kind() == prim::ListUnpack) return unpacked(value);
    if (node->kind() == prim::ListConstruct || node->kind() == prim::TupleConstruct)
      return constructed(value);
    if (node->kind() == prim::ConstantChunk) {
      const Known* input = of(node->input(0));
      if (input == nullptr) return std::nullopt;
      const auto pieces = input->value.toTensor().chunk(node->i(attr::chunks), node->i(attr::dim));
      return noted(node, {pieces.at(value->offset()),
                          fmt::format("chunk({},{},{},{})", input->text, node->i(attr::chunks),
                                      node->i(attr::dim), value->offset())});
    }
    if (node->kind() == aten::to) return cast(node);
    return is_pure(node) && node->outputs().size() == 1 ? run(node) : std::nullopt;
  }

  std::optional<Known> noted(const Node* node, Known known) {
    nodes.push_back(node);
    return known;
  }

  std::optional<Known> leaf(Value* value, const c10::IValue& constant) {
    if (!constant.isTensor()) {
      std::ostringstream text;
      text << constant;
      return Known{constant, text.str()};
    }
    const at::Tensor& tensor = constant.toTensor();
    if (!tensor.defined() || tensor.layout() != at::kStrided || tensor.is_quantized()) return std::nullopt;
    std::string text = tensor_identity(tensor);
    leaves.push_back(value);
    leaf_texts.emplace(value, text);
    leaf_tensors.emplace(value, tensor);
    if (value->node()->kind() == prim::GetAttr) nodes.push_back(value->node());
    const at::ScalarType type = is_low_float(tensor.scalar_type()) ? at::kFloat : tensor.scalar_type();
    if (!shapes_only_) return Known{tensor.detach().to(type), std::move(text)};
    return Known{
        at::empty_strided(tensor.sizes(), tensor.strides(), tensor.options().device(at::kMeta).dtype(type)),
        std::move(text)};
  }

  std::optional<Known> unpacked(Value* value) {
    Node* source = value->node()->input(0)->node();
    if (source->kind() == prim::ListConstruct || source->kind() == prim::TupleConstruct) {
      const Known* item = of(source->input(value->offset()));
      if (item == nullptr) return std::nullopt;
      nodes.push_back(source);
      return noted(value->node(), *item);
    }
    const Known* list = of(value->node()->input(0));
    if (list == nullptr) return std::nullopt;
    const auto items =
        list->value.isTuple() ? list->value.toTupleRef().elements().vec() : list->value.toListRef().vec();
    return noted(value->node(),
                 {items.at(value->offset()), fmt::format("{}[{}]", list->text, value->offset())});
  }

  std::optional<Known> constructed(Value* value) {
    Node* node = value->node();
    std::vector<c10::IValue> items;
    std::string text;
    for (Value* input : node->inputs()) {
      const Known* item = of(input);
      if (item == nullptr) return std::nullopt;
      items.push_back(item->value);
      text += (text.empty() ? "" : ",") + item->text;
    }
    text = "[" + text + "]";
    if (node->kind() == prim::TupleConstruct)
      return noted(node, {c10::ivalue::Tuple::create(std::move(items)), std::move(text)});
    c10::impl::GenericList list(value->type()->expectRef<c10::ListType>().getElementType());
    for (c10::IValue& item : items) list.push_back(std::move(item));
    return noted(node, {list, std::move(text)});
  }

  // A cast to a dtype that no kernel of ours takes: is_alias_of_input has all others.
  std::optional<Known> cast(Node* node) {
    const Value* dtype = argument_named(node, "dtype");
    const auto type = dtype == nullptr ? std::nullopt : toIValue(dtype);
    const Known* input = of(node->input(0));
    if (input == nullptr || !type || !type->isInt() || !input->value.isTensor()) return std::nullopt;
    const auto scalar_type = static_cast<at::ScalarType>(type->toInt());
    return noted(node, {input->value.toTensor().to(scalar_type),
                        fmt::format("to({},{})", input->text, c10::toString(scalar_type))});
  }

  std::optional<Known> run(Node* node) {
    Stack stack;
    std::string text;
    for (Value* input : node->inputs()) {
      const Known* known = of(input);
      if (known == nullptr) return std::nullopt;
      stack.push_back(known->value);
      text += (text.empty() ? "" : ",") + known->text;
    }
    const bool transposed =
        is_transposition(node) && stack.at(0).isTensor() && stack.at(0).toTensor().dim() == 2;
    if (transposed) {
      const std::string& input = of(node->input(0))->text;
      text = input.rfind("t(", 0) == 0 ? input.substr(2, input.size() - 3) : "t(" + input + ")";
    } else {
      text = fmt::format("{}({})", node->kind().toUnqualString(), text);
    }
    Operation operation = node->getOperation();
    operation(stack);
    return noted(node, {stack.at(0), std::move(text)});
  }

  const ModelGraphs& model_;
  const ConstantValues& constants_;
  const bool shapes_only_;
  std::unordered_map<const Value*, std::optional<Known>> known_;
};

}  // namespace

bool is_pure(const Node* node) {
  static const std::set<std::string> kTensors = {
      // the same values in another place
      "aten::t", "aten::numpy_T", "aten::mT", "aten::mH", "aten::adjoint", "aten::transpose",
      "aten::swapaxes", "aten::swapdims", "aten::permute", "aten::movedim", "aten::moveaxis", "aten::reshape",
      "aten::view", "aten::flatten", "aten::unflatten", "aten::squeeze", "aten::unsqueeze", "aten::expand",
      "aten::repeat", "aten::repeat_interleave", "aten::tile", "aten::slice", "aten::narrow", "aten::select",
      "aten::index_select", "aten::chunk", "aten::split", "aten::split_with_sizes", "aten::unsafe_chunk",
      "aten::unsafe_split", "aten::unsafe_split_with_sizes", "aten::unbind", "aten::cat", "aten::concat",
      "aten::stack", "aten::hstack", "aten::vstack", "aten::flip", "aten::roll", "aten::diag", "aten::tril",
      "aten::triu", "aten::block_diag",
      // element by element
      "aten::add", "aten::sub", "aten::rsub", "aten::mul", "aten::multiply", "aten::div", "aten::divide",
      "aten::true_divide", "aten::neg", "aten::abs", "aten::sqrt", "aten::rsqrt", "aten::pow", "aten::square",
      "aten::reciprocal", "aten::exp", "aten::log", "aten::tanh", "aten::sigmoid", "aten::softplus",
      "aten::relu", "aten::sign", "aten::clamp", "aten::clamp_min", "aten::clamp_max", "aten::minimum",
      "aten::maximum", "aten::where", "aten::lerp", "aten::addcmul",
      // products
      "aten::matmul", "aten::mm", "aten::bmm", "aten::mv", "aten::dot", "aten::vdot", "aten::outer",
      "aten::addmm", "aten::einsum", "aten::kron", "aten::matrix_exp", "aten::linalg_matrix_exp",
      // sums
      "aten::sum", "aten::mean", "aten::std", "aten::var", "aten::amax", "aten::amin", "aten::norm",
      "aten::linalg_norm", "aten::linalg_vector_norm", "aten::linalg_matrix_norm", "aten::norm_except_dim",
      "aten::_weight_norm", "aten::_weight_norm_interface", "aten::softmax"};
  static const std::set<std::string> kNumbers = {
      "aten::size",        "aten::dim",         "aten::len",         "aten::numel",
      "prim::dtype",       "prim::NumToTensor", "aten::Int",         "aten::ScalarImplicit",
      "aten::IntImplicit", "aten::floordiv",    "aten::__getitem__", "aten::floor_divide",
      "aten::Float",       "prim::device"};
  return is_one_of(node, kTensors) || is_one_of(node, kNumbers);
}

bool is_transposition(const Node* node) {
  static const std::set<std::string> kNames = {"aten::t", "aten::numpy_T", "aten::mT", "aten::mH",
                                               "aten::adjoint"};
  if (is_one_of(node, kNames)) return true;
  const auto number = [&](size_t i) { return toIValue(node->input(i)); };
  if (is_one_of(node, {"aten::transpose", "aten::swapaxes", "aten::swapdims"})) {
    const auto a = number(1), b = number(2);
    return a && b && a->isInt() && b->isInt() && (a->toInt() - b->toInt()) % 2 != 0;
  }
  if (node->kind() != aten::permute) return false;
  const Node* list = node->input(1)->node();
  if (list->kind() != prim::ListConstruct || list->inputs().size() != 2) return false;
  const auto a = toIValue(list->input(0)), b = toIValue(list->input(1));
  return a && b && a->isInt() && b->isInt() && (a->toInt() + 2) % 2 == 1 && (b->toInt() + 2) % 2 == 0;
}

std::optional<ParameterExpression> ParameterExpressions::of(Value* value) const {
  if (!value->type()->isSubtypeOf(*c10::TensorType::get())) return std::nullopt;
  const at::NoGradGuard no_grad;
  Evaluation evaluation(model_, constants_, /*shapes_only=*/true);
  const Evaluation::Known* known = evaluation.of(value);
  if (known == nullptr || !known->value.isTensor()) return std::nullopt;
  ParameterExpression expression;
  expression.text = known->text;
  expression.shape = known->value.toTensor();
  expression.nodes = std::move(evaluation.nodes);
  std::pair<bool, int64_t> largest = {false, -1};
  for (Value* leaf : evaluation.leaves) {
    const std::pair<bool, int64_t> size = {is_parameter(leaf), evaluation.leaf_tensors.at(leaf).numel()};
    expression.leaves.push_back(leaf);
    if (size <= largest) continue;
    largest = size;
    expression.parameter = leaf;
    expression.parameter_text = evaluation.leaf_texts.at(leaf);
  }
  if (expression.parameter == nullptr) return std::nullopt;
  const at::ScalarType stored = evaluation.leaf_tensors.at(expression.parameter).scalar_type();
  if (is_low_float(stored) && is_low_float(expression.shape.scalar_type()))
    expression.shape = expression.shape.to(stored);
  return expression;
}

at::Tensor ParameterExpressions::evaluate(Value* value, at::ScalarType dtype) const {
  const at::NoGradGuard no_grad;
  Evaluation evaluation(model_, constants_, /*shapes_only=*/false);
  const Evaluation::Known* known = evaluation.of(value);
  TORCH_INTERNAL_ASSERT(known != nullptr && known->value.isTensor(), "an expression of shapes has no value");
  return known->value.toTensor().to(dtype).contiguous();
}

bool ParameterExpressions::is_parameter(const Value* leaf) const {
  const Node* node = leaf->node();
  if (node->kind() == prim::Constant) return true;
  const int owner = model_.instance_of(node->input(0));
  if (owner < 0) return false;
  const auto& type = model_.instances()[owner].module.type();
  const auto slot = type->findAttributeSlot(node->s(attr::name));
  return slot && !type->is_buffer(*slot);
}

}  // namespace vqt
