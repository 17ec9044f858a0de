// One function for each kind of product: from its inputs to a linear, or the reason why there is none.
#include "passes/ir/products.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <algorithm>
#include <map>
#include <set>

#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_kind(const Node* node, const char* kind) { return node->kind() == Symbol::fromQualString(kind); }

bool is_number(const Value* value, double expected) {
  const auto constant = toIValue(value);
  return constant && constant->isScalar() && constant->toScalar().toDouble() == expected;
}

std::vector<Value*> list_items(Value* list) {
  if (list->node()->kind() != prim::ListConstruct) return {};
  return list->node()->inputs().vec();
}

std::optional<int64_t> only_int(Value* list) {
  if (const auto constant = toIValue(list); constant && constant->isIntList()) {
    const auto items = constant->toIntVector();
    return items.size() == 1 ? std::optional<int64_t>(items[0]) : std::nullopt;
  }
  const auto items = list_items(list);
  const auto item = items.size() == 1 ? toIValue(items[0]) : std::nullopt;
  return item && item->isInt() ? std::optional<int64_t>(item->toInt()) : std::nullopt;
}

// y = x times weight, where dimension x_dim of x is summed over and y_dim of y holds the N sums.
struct LinearForm {
  Value* x = nullptr;
  Value* weight = nullptr;
  bool transposed = false;    // weight is [K, N]
  bool one_matrix = false;    // weight is [1, K, N]
  bool weight_first = false;  // weight @ x with x [..., K, T], or [K]
  int64_t x_dim = -1, y_dim = -1;
  Value* bias = nullptr;  // [N]
  Value* sum = nullptr;   // is added to y
};

struct Reading {
  std::optional<LinearForm> form;
  std::string problem;
};

Reading refuse(const std::string& problem) { return {std::nullopt, problem}; }

// ---- einsum
// "bk,kn->bn" with one letter for each dimension; '.' stands for an ellipsis.
struct Equation {
  std::string operands[2], result;
};

std::optional<Equation> parse_equation(std::string text) {
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  for (size_t at = text.find("..."); at != std::string::npos; at = text.find("...")) text.replace(at, 3, ".");
  const size_t arrow = text.find("->"), comma = text.find(',');
  if (arrow == std::string::npos || comma == std::string::npos || comma > arrow) return std::nullopt;
  if (text.find(',', comma + 1) != std::string::npos) return std::nullopt;
  return Equation{{text.substr(0, comma), text.substr(comma + 1, arrow - comma - 1)}, text.substr(arrow + 2)};
}

bool has_repeats(const std::string& labels) {
  return std::set<char>(labels.begin(), labels.end()).size() != labels.size();
}

// From the front before an ellipsis, from the back behind it; -1: the last.
int64_t position(const std::string& labels, size_t at) {
  const auto from_front = static_cast<int64_t>(at),
             from_back = from_front - static_cast<int64_t>(labels.size());
  return from_back == -1 || at > labels.find('.') ? from_back : from_front;
}

Reading read_einsum(Node* node, size_t weight_index) {
  const auto text = toIValue(node->input(0));
  const auto items = list_items(node->input(1));
  const auto equation = text && text->isString() ? parse_equation(text->toStringRef()) : std::nullopt;
  if (!equation || items.size() != 2) return refuse("an einsum of more than two operands, or without \"->\"");
  const std::string &w = equation->operands[weight_index], &x = equation->operands[1 - weight_index];
  const std::string& y = equation->result;
  const auto other = [&, text] {
    return refuse(fmt::format("einsum \"{}\" is no linear", text->toStringRef()));
  };
  if (w.size() != 2 || w.find('.') != std::string::npos || has_repeats(w) || has_repeats(x) || has_repeats(y))
    return other();
  const auto in = [](const std::string& labels, char label) {
    return labels.find(label) != std::string::npos;
  };
  const auto summed = [&](char label) { return in(x, label) && !in(y, label); };
  const auto free = [&](char label) { return !in(x, label) && in(y, label); };
  LinearForm form;
  form.transposed = summed(w[0]) && free(w[1]);
  if (!form.transposed && !(summed(w[1]) && free(w[0]))) return other();
  const size_t k_at = x.find(w[form.transposed ? 0 : 1]), n_at = y.find(w[form.transposed ? 1 : 0]);
  std::string rest_x = x, rest_y = y;
  rest_x.erase(k_at, 1);
  rest_y.erase(n_at, 1);
  if (rest_x != rest_y) return other();
  form.x = items[1 - weight_index];
  form.weight = items[weight_index];
  form.x_dim = position(x, k_at);
  form.y_dim = position(y, n_at);
  return {form, ""};
}

// ---- the others
Reading read_tensordot(Node* node, size_t weight_index) {
  const auto x_dim = only_int(node->input(3 - weight_index)), w_dim = only_int(node->input(2 + weight_index));
  if (!x_dim || !w_dim) return refuse("a tensordot over several dimensions");
  LinearForm form;
  form.x = node->input(1 - weight_index);
  form.weight = node->input(weight_index);
  form.x_dim = *x_dim;
  form.transposed = *w_dim == 0 || *w_dim == -2;
  if (weight_index == 0) form.y_dim = 0;  // what is left of the first operand comes first
  return {form, ""};
}

// The places of the operands among the inputs.
std::vector<size_t> operand_places(const Node* node) {
  static const std::map<std::string, std::vector<size_t>> kPlaces = {
      {"aten::matmul", {0, 1}},   {"aten::mm", {0, 1}},     {"aten::bmm", {0, 1}},
      {"aten::mv", {0, 1}},       {"aten::addmm", {1, 2}},  {"aten::addmv", {1, 2}},
      {"aten::baddbmm", {1, 2}},  {"aten::addbmm", {1, 2}}, {"aten::bilinear", {2}},
      {"aten::tensordot", {0, 1}}};
  const auto found = kPlaces.find(node->kind().toQualString());
  const FunctionSchema* schema = found == kPlaces.end() ? nullptr : node->maybeSchema();
  if (schema == nullptr || !schema->overload_name().empty()) return {};
  return found->second;
}

// The weight behind a view that repeats it for every matrix of a batch.
Value* without_expand(Value* weight) {
  return is_kind(weight->node(), "aten::expand") ? weight->node()->input(0) : weight;
}

// The parameter of two or more dimensions that an operand is a view of, or picked from.
Value* parameter_behind(Value* operand, const ParameterExpressions& expressions) {
  static const std::set<std::string> kViews = {"aten::expand",       "aten::repeat",    "aten::index",
                                               "aten::index_select", "aten::select",    "aten::slice",
                                               "aten::view",         "aten::reshape",   "aten::unsqueeze",
                                               "aten::squeeze",      "aten::expand_as", "aten::permute"};
  Value* value = operand;
  while (kViews.count(value->node()->kind().toQualString()) || is_alias_of_input(value->node()) ||
         is_transposition(value->node()))
    value = value->node()->input(0);
  if (value->node()->kind() != prim::GetAttr && value->node()->kind() != prim::Constant) return nullptr;
  const auto leaf = expressions.of(value);
  const bool weight =
      leaf && leaf->shape.dim() >= 2 && leaf->shape.is_floating_point() && expressions.is_parameter(value);
  return weight ? value : nullptr;
}

class ProductReader {
 public:
  explicit ProductReader(const ParameterExpressions& expressions) : expressions_(expressions) {}

  // The product's reading where exactly one operand is computed from parameters alone, and is no vector.
  std::optional<Reading> read(Node* node) {
    const std::vector<Value*> operands = product_operands(node);
    std::optional<size_t> index;
    for (size_t i = 0; i < operands.size(); ++i) {
      auto expression = expressions_.of(is_batched(node) ? without_expand(operands[i]) : operands[i]);
      if (!expression) continue;
      both_ = both_ || index;
      index = i;
      weight = std::move(expression);
    }
    if (!index || both_ || weight->shape.dim() < 2) return std::nullopt;
    if (!expressions_.is_parameter(weight->parameter)) return refuse("it is a buffer, not a parameter");
    if (!weight->shape.is_floating_point() || weight->shape.numel() == 0)
      return refuse("it is no float matrix");
    Reading reading = read_kind(node, operands, *index);
    if (!reading.form) return reading;
    if (is_batched(node)) return one_batch(*reading.form);
    if (weight->shape.dim() != 2) return refuse(fmt::format("it has {} dimensions", weight->shape.dim()));
    return reading;
  }

  bool both() const { return both_; }         // are both operands computed from parameters?
  std::optional<ParameterExpression> weight;  // of read

 private:
  static bool is_batched(const Node* node) {
    return is_kind(node, "aten::bmm") || is_kind(node, "aten::baddbmm");
  }

  Reading read_kind(Node* node, const std::vector<Value*>& operands, size_t index) {
    if (is_kind(node, "aten::einsum")) return read_einsum(node, index);
    if (is_kind(node, "aten::tensordot")) return read_tensordot(node, index);
    if (is_kind(node, "aten::bilinear")) return refuse("it is multiplied by two inputs");
    if (is_kind(node, "aten::addbmm") || is_kind(node, "aten::addmv"))
      return refuse("the products are summed");
    LinearForm form;
    form.x = operands[1 - index];
    form.weight = operands[index];
    form.weight_first = index == 0 && !is_kind(node, "aten::mv");
    form.transposed = index == 1;
    if (!is_kind(node, "aten::addmm") && !is_kind(node, "aten::baddbmm")) return {form, ""};
    if (!is_number(node->input(3), 1) || !is_number(node->input(4), 1))
      return refuse("with factors beta and alpha");
    const auto bias = expressions_.of(node->input(0));
    const bool per_channel =
        index == 1 && bias && bias->shape.dim() == 1 && bias->shape.size(0) == weight->shape.size(-1);
    (per_channel ? form.bias : form.sum) = node->input(0);
    return {form, ""};
  }

  // x has as many matrices as the weight: one that is repeated for all of them is the weight of a linear.
  Reading one_batch(LinearForm form) const {
    const at::Tensor& shape = weight->shape;
    const bool one = shape.dim() == 2 || (shape.dim() == 3 && shape.size(0) == 1);
    if (!one || shape.size(-1) == 1 || shape.size(-2) == 1)  // of 1: expand may have repeated it there, too
      return refuse(fmt::format("it has a matrix for each of {}", shape.size(0)));
    form.weight = without_expand(form.weight);
    form.one_matrix = shape.dim() == 3;
    return {form, ""};
  }

  const ParameterExpressions& expressions_;
  bool both_ = false;
};

// ---- to aten::linear
void replace_by_linear(Node* node, const LinearForm& form) {
  static const Symbol kMovedim = Symbol::fromQualString("aten::movedim");
  Graph& graph = *node->owningGraph();
  const WithInsertPoint guard(node);
  const auto moved = [&](Value* value, int64_t from, int64_t to) {
    return from == to ? value : graph.insert(kMovedim, {value, from, to});
  };
  Value* weight = form.weight;
  if (form.one_matrix) weight = graph.insert(aten::select, {weight, int64_t{0}, int64_t{0}});
  if (form.transposed) {
    weight = is_transposition(weight->node()) ? weight->node()->input(0) : graph.insert(aten::t, {weight});
  }
  Value* bias = form.bias != nullptr ? form.bias : graph.insertConstant(c10::IValue());
  // weight @ x: x's last dimension goes to the front and comes back behind N, which serves x of every rank.
  Value* x = form.weight_first ? moved(form.x, -1, 0) : moved(form.x, form.x_dim, -1);
  Value* y = graph.insert(aten::linear, {x, weight, bias}, {}, node->sourceRange());
  Value* result = form.weight_first ? moved(y, 0, -1) : moved(y, -1, form.y_dim);
  if (result != y)
    result = graph.insert(aten::contiguous, {result});  // as the product was: a view may read it
  if (form.sum != nullptr) result = graph.insert(aten::add, {result, form.sum});
  result->copyMetadata(node->output());
  node->output()->replaceAllUsesWith(result);
  node->destroy();
}

// A bias that torch broadcasts, a number or [1, N], becomes a sum: a quantized linear takes [N].
bool take_out_bias(Node* linear, const ParameterExpressions& expressions) {
  Value* bias = linear->input(2);
  const auto known = expressions.of(bias), weight = expressions.of(linear->input(1));
  if (!known || !weight || weight->shape.dim() != 2) return false;
  if (known->shape.dim() == 1 && known->shape.size(0) == weight->shape.size(0)) return false;
  Graph& graph = *linear->owningGraph();
  {
    const WithInsertPoint guard(linear);
    linear->replaceInput(2, graph.insertConstant(c10::IValue()));
  }
  const WithInsertPoint guard(linear->next());
  Value* sum = graph.insert(aten::add, {linear->output(), bias});
  linear->output()->replaceAllUsesAfterNodeWith(sum->node(), sum);
  return true;
}

}  // namespace

std::vector<Value*> product_operands(Node* node) {
  if (is_kind(node, "aten::einsum")) {
    const auto items = list_items(node->input(1));
    return items.size() < 2 ? std::vector<Value*>() : items;
  }
  std::vector<Value*> operands;
  for (const size_t place : operand_places(node)) operands.push_back(node->input(place));
  return operands;
}

std::optional<Product> read_product(Node* node, const ParameterExpressions& expressions) {
  const std::vector<Value*> operands = product_operands(node);
  if (operands.empty()) return std::nullopt;
  ProductReader reader(expressions);
  if (const auto reading = reader.read(node)) return Product{reader.weight->parameter, reading->problem};
  if (reader.both()) return std::nullopt;
  for (Value* operand : operands) {
    if (Value* parameter = parameter_behind(operand, expressions))
      return Product{parameter, "the part that is read is known at run time only"};
  }
  return std::nullopt;
}

void products_to_linear(const ModelGraphs& model) {
  const ConstantValues constants(model);
  const ParameterExpressions expressions(model, constants);
  for (const MethodGraph& method : model.methods()) {
    bool changed = false;
    for_each_node(method.graph->block(), [&](Node* node) {
      if (is_float_linear(node)) {
        changed = take_out_bias(node, expressions) || changed;
        return;
      }
      if (product_operands(node).empty()) return;
      const auto reading = ProductReader(expressions).read(node);
      if (!reading || !reading->form) return;
      replace_by_linear(node, *reading->form);
      changed = true;
    });
    if (changed) EliminateDeadCode(method.graph);
  }
}

}  // namespace vqt
