// Follows slice, narrow, chunk and split backwards. The sizes of a split may be unknown where their sum
// determines them: nn.MultiheadAttention splits its [3E, E] weight into E and 2E rows where E is
// query.size(-1).
#include "passes/ir/trace_weight.h"

#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>
#include <vector>

namespace vqt {
namespace {

using namespace torch::jit;

bool is_one_of(const Node* node, const std::set<std::string>& names) {
  return names.count(node->kind().toQualString()) != 0;
}

bool is_split(const Node* node) {
  static const std::set<std::string> kNames = {
      "aten::chunk",        "aten::unsafe_chunk",     "aten::split",
      "aten::unsafe_split", "aten::split_with_sizes", "aten::unsafe_split_with_sizes"};
  return is_one_of(node, kNames);
}

// factor * unknown + constant, the unknown named by a key; no key: a plain number.
struct Linear {
  int64_t factor = 0, constant = 0;
  std::string key;
};

std::optional<int64_t> constant_int(const Value* value) {
  const auto constant = toIValue(value);
  if (!constant) return std::nullopt;
  if (constant->isInt()) return constant->toInt();
  if (constant->isTensor() && constant->toTensor().numel() == 1 &&
      !constant->toTensor().is_floating_point()) {
    return constant->toTensor().item<int64_t>();
  }
  return std::nullopt;
}

std::optional<Linear> linear_form(const Value* value, const KnownInt& known_int) {
  static const std::set<std::string> kCasts = {"prim::NumToTensor", "aten::Int", "aten::ScalarImplicit",
                                               "aten::IntImplicit"};
  if (const auto number = constant_int(value)) return Linear{0, *number, ""};
  if (const auto number = known_int(value)) return Linear{0, *number, ""};
  const Node* node = value->node();
  if (is_one_of(node, kCasts)) return linear_form(node->input(0), known_int);
  if (is_one_of(node, {"aten::mul", "aten::add", "aten::sub"}) && node->inputs().size() >= 2) {
    auto a = linear_form(node->input(0), known_int), b = linear_form(node->input(1), known_int);
    if (!a || !b) return std::nullopt;
    if (node->kind() == aten::mul) {
      if (!a->key.empty() && !b->key.empty()) return std::nullopt;
      if (a->key.empty()) std::swap(a, b);
      return Linear{a->factor * b->constant, a->constant * b->constant, a->key};
    }
    if (node->inputs().size() > 2 && constant_int(node->input(2)) != 1) return std::nullopt;  // alpha
    if (!a->key.empty() && !b->key.empty() && a->key != b->key) return std::nullopt;
    const int64_t sign = node->kind() == aten::sub ? -1 : 1;
    return Linear{a->factor + sign * b->factor, a->constant + sign * b->constant,
                  a->key.empty() ? b->key : a->key};
  }
  if (node->kind() == aten::size && node->inputs().size() == 2) {  // the same size read twice is one unknown
    if (const auto dim = constant_int(node->input(1))) {
      return Linear{1, 0,
                    "size of " + std::to_string(node->input(0)->unique()) + " at " + std::to_string(*dim)};
    }
  }
  return Linear{1, 0, "value " + std::to_string(value->unique())};
}

std::optional<std::vector<int64_t>> split_sizes(const Value* list, int64_t rows, const KnownInt& known_int) {
  std::vector<int64_t> sizes;
  if (const auto constant = toIValue(list)) {
    if (!constant->isIntList()) return std::nullopt;
    return constant->toIntVector();
  }
  if (list->node()->kind() != prim::ListConstruct) return std::nullopt;
  std::vector<Linear> forms;
  Linear sum;
  for (const Value* item : list->node()->inputs()) {
    const auto form = linear_form(item, known_int);
    if (!form) return std::nullopt;
    if (!form->key.empty() && !sum.key.empty() && form->key != sum.key) return std::nullopt;
    if (!form->key.empty()) sum.key = form->key;
    sum.factor += form->factor;
    sum.constant += form->constant;
    forms.push_back(*form);
  }
  int64_t unknown = 0;
  if (sum.factor != 0) {  // split_with_sizes requires that the sizes add up to the rows
    if ((rows - sum.constant) % sum.factor != 0) return std::nullopt;
    unknown = (rows - sum.constant) / sum.factor;
  } else if (!sum.key.empty()) {
    return std::nullopt;
  }
  for (const Linear& form : forms) sizes.push_back(form.factor * unknown + form.constant);
  return sizes;
}

int64_t clamp_index(int64_t index, int64_t rows) {
  return std::clamp<int64_t>(index < 0 ? index + rows : index, 0, rows);
}

class RowReader {
 public:
  RowReader(const Value* root, int64_t n, const KnownInt& known_int, std::string& problem)
      : root_(root), n_(n), known_int_(known_int), problem_(problem) {}

  std::optional<RowRange> read(const Value* value) {
    if (value == root_) return RowRange{0, n_};
    const Node* node = value->node();
    if (is_alias_of_input(node)) return read(node->input(0));
    if (node->kind() == aten::slice) return slice(node);
    if (node->kind() == aten::narrow) return narrow(node);
    if (node->kind() == prim::ConstantChunk) {
      if (node->i(attr::dim) != 0) return fail("cut along its columns");
      return piece(node, value->offset());
    }
    if (node->kind() == prim::ListUnpack) return piece(node->input(0)->node(), value->offset());
    if (node->kind() == aten::__getitem__) {
      const auto index = constant_int(node->input(1));
      return index ? piece(node->input(0)->node(), *index)
                   : fail("picked from a list by an index that is not constant");
    }
    return fail(std::string("computed by ") + node->kind().toQualString());
  }

 private:
  std::optional<RowRange> fail(const std::string& problem) {
    if (problem_.empty()) problem_ = problem;
    return std::nullopt;
  }

  std::optional<int64_t> number(const Value* value) {
    const auto form = linear_form(value, known_int_);
    return form && form->key.empty() ? std::optional<int64_t>(form->constant) : std::nullopt;
  }

  bool along_rows(const Value* dim) {
    const auto number = constant_int(dim);
    return number && (*number == 0 || *number == -2);
  }

  std::optional<RowRange> slice(const Node* node) {  // (tensor, dim, start, end, step)
    const auto source = read(node->input(0));
    if (!source) return std::nullopt;
    if (!along_rows(node->input(1))) return fail("cut along its columns");
    if (number(node->input(4)) != 1) return fail("sliced with a step");
    const int64_t rows = source->end - source->begin;
    const auto bound = [&](const Value* value, int64_t missing) -> std::optional<int64_t> {
      const auto constant = toIValue(value);
      if (constant && constant->isNone()) return missing;
      const auto index = number(value);
      return index ? std::optional<int64_t>(clamp_index(*index, rows)) : std::nullopt;
    };
    const auto begin = bound(node->input(2), 0), end = bound(node->input(3), rows);
    if (!begin || !end) return fail("sliced at bounds that are not constant");
    return RowRange{source->begin + *begin, source->begin + std::max(*begin, *end)};
  }

  std::optional<RowRange> narrow(const Node* node) {  // (tensor, dim, start, length)
    const auto source = read(node->input(0));
    if (!source) return std::nullopt;
    if (!along_rows(node->input(1))) return fail("cut along its columns");
    const auto start = number(node->input(2)), length = number(node->input(3));
    if (!start || !length) return fail("sliced at bounds that are not constant");
    const int64_t begin = source->begin + clamp_index(*start, source->end - source->begin);
    return RowRange{begin, begin + *length};
  }

  // Output `index` of a split, chunk, ...
  std::optional<RowRange> piece(const Node* node, int64_t index) {
    if (!is_split(node) && node->kind() != prim::ConstantChunk) {
      return fail(std::string("taken from a list made by ") + node->kind().toQualString());
    }
    const auto source = read(node->input(0));
    if (!source) return std::nullopt;
    const int64_t rows = source->end - source->begin;
    std::vector<int64_t> sizes;
    if (node->kind() == prim::ConstantChunk) {
      sizes = even_sizes(rows, (rows + node->i(attr::chunks) - 1) / node->i(attr::chunks));
    } else {
      if (!along_rows(node->input(2))) return fail("cut along its columns");
      if (node->input(1)->type()->kind() == c10::TypeKind::ListType) {
        const auto read_sizes = split_sizes(node->input(1), rows, known_int_);
        if (!read_sizes) return fail("split into sizes that are not known before run time");
        sizes = *read_sizes;
      } else {
        const auto count = number(node->input(1));
        if (!count || *count <= 0) return fail("split into sizes that are not known before run time");
        const bool chunk = is_one_of(node, {"aten::chunk", "aten::unsafe_chunk"});
        sizes = even_sizes(rows, chunk ? (rows + *count - 1) / *count : *count);
      }
    }
    if (index < 0) index += static_cast<int64_t>(sizes.size());
    if (index < 0 || index >= static_cast<int64_t>(sizes.size()))
      return fail("split into fewer pieces than are used");
    int64_t begin = source->begin;
    for (int64_t i = 0; i < index; ++i) begin += sizes[i];
    return RowRange{begin, begin + sizes[index]};
  }

  static std::vector<int64_t> even_sizes(int64_t rows, int64_t size) {
    std::vector<int64_t> sizes;
    for (int64_t begin = 0; begin < rows && size > 0; begin += size)
      sizes.push_back(std::min(size, rows - begin));
    return sizes;
  }

  const Value* root_;
  int64_t n_;
  const KnownInt& known_int_;
  std::string& problem_;
};

}  // namespace

bool is_float_linear(const Node* node) { return node->kind() == aten::linear; }

bool is_quantized_linear(const Node* node) {
  static const std::set<std::string> kNames = {"vqt::linear_int8", "vqt::linear_int4", "vqt::linear_int16"};
  return is_one_of(node, kNames);
}

bool is_any_linear(const Node* node) { return is_float_linear(node) || is_quantized_linear(node); }

bool is_cast(const Node* node) {
  static const std::set<std::string> kNames = {"aten::type_as", "aten::_autocast_to_reduced_precision",
                                               "aten::_autocast_to_full_precision"};
  if (is_one_of(node, kNames)) return true;
  if (node->kind() != aten::to) return false;
  const FunctionSchema* schema = node->maybeSchema();
  const auto index = schema == nullptr ? std::nullopt : schema->argumentIndexWithName("dtype");
  if (!index) return true;  // to a device, or to what another tensor has
  const auto dtype = constant_int(node->input(*index));
  if (!dtype) return true;  // none, or that of another tensor
  const auto type = static_cast<at::ScalarType>(*dtype);
  return type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
}

bool is_alias_of_input(const Node* node) {
  static const std::set<std::string> kNames = {"aten::detach",         "aten::alias",
                                               "aten::contiguous",     "aten::clone",
                                               "prim::unchecked_cast", "aten::_unwrap_optional",
                                               "aten::lift_fresh",     "prim::unchecked_unwrap_optional"};
  return is_one_of(node, kNames) || is_cast(node);
}

bool is_row_slice(const Node* node) {
  return node->kind() == aten::slice || node->kind() == aten::narrow || node->kind() == prim::ConstantChunk ||
         node->kind() == prim::ListUnpack || node->kind() == aten::__getitem__ || is_split(node);
}

bool is_metadata_use(const Node* node) {
  static const std::set<std::string> kNames = {
      "aten::size",      "aten::dim",     "aten::len",      "aten::numel",         "prim::dtype",
      "prim::device",    "prim::is_cuda", "prim::is_cpu",   "prim::requires_grad", "aten::is_floating_point",
      "prim::is_nested", "aten::__is__",  "aten::__isnot__"};
  if (!is_one_of(node, kNames)) return false;
  if (node->kind() == aten::size && node->inputs().size() == 2)
    return constant_int(node->input(1)).has_value();
  if (node->kind() == aten::__is__ || node->kind() == aten::__isnot__) {
    return node->input(1)->type()->kind() == c10::TypeKind::NoneType;
  }
  return true;
}

bool keeps_columns(const Value* weight, const Value* root) {
  const Value* value = weight;
  while (value != root) {
    const Node* node = value->node();
    const bool list_item = node->kind() == prim::ListUnpack || node->kind() == aten::__getitem__;
    const bool rows = node->kind() == prim::ConstantChunk ? node->i(attr::dim) == 0
                      : node->kind() == aten::slice || node->kind() == aten::narrow
                          ? constant_int(node->input(1)) == 0
                          : is_split(node) && constant_int(node->input(2)) == 0;
    if (!is_alias_of_input(node) && !list_item && !rows) return false;
    value = node->input(0);
  }
  return true;
}

const Value* tensor_with_last_size(const Value* value) {
  const Node* node = value->node();
  if (node->kind() == aten::size && node->inputs().size() == 2) {
    return constant_int(node->input(1)) == -1 ? node->input(0) : nullptr;
  }
  const bool last_unpacked =
      node->kind() == prim::ListUnpack && value->offset() + 1 == node->outputs().size();
  const bool last_item = node->kind() == aten::__getitem__ && constant_int(node->input(1)) == -1;
  if (!last_unpacked && !last_item) return nullptr;
  const Node* sizes = node->input(0)->node();
  return sizes->kind() == aten::size && sizes->inputs().size() == 1 ? sizes->input(0) : nullptr;
}

Value* weight_root(Value* weight) {
  static const std::set<std::string> kEnds = {"prim::Constant", "prim::Param",        "prim::CallMethod",
                                              "prim::If",       "prim::CallFunction", "prim::Loop"};
  Value* value = weight;
  while (!is_one_of(value->node(), kEnds) && !value->node()->inputs().empty()) {
    if (value->node()->kind() == prim::GetAttr && value->type()->kind() != c10::TypeKind::ClassType) break;
    value = value->node()->input(0);
  }
  return value;
}

std::optional<RowRange> rows_of(const Value* weight, const Value* root, int64_t n, const KnownInt& known_int,
                                std::string& problem) {
  auto rows = RowReader(root, n, known_int, problem).read(weight);
  if (rows && (rows->begin < 0 || rows->end > n || rows->begin >= rows->end)) {
    problem = "sliced to rows it does not have";
    rows.reset();
  }
  return rows;
}

}  // namespace vqt
