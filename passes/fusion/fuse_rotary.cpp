// x * cos + rotated(x) * sin, x a layer norm's result or not  =>  rotary(x, cos, sin, axes, norm)
//   axes 1: rotated = cat(-x[D/2:], x[:D/2])                       by chunk(2) or two slices
//   axes 2: rotated = cat(-x[1], x[0], -x[3], x[2]) of chunk(4)
#include <torch/csrc/jit/ir/constants.h>

#include <algorithm>
#include <set>

#include "passes/fusion/fusions.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

// Only the pattern reads the value.
bool is_private(const Value* value) { return value->uses().size() == 1; }

struct Piece {
  const Value* source = nullptr;
  int64_t index = -1, count = 0;  // piece `index` of `count` equal ones along the last dimension
};

bool is_last(const Value* dim) { return is_int(dim, -1); }

std::optional<Piece> piece_of_chunk(const Value* value) {
  const Node* unpack = value->node();
  if (unpack->kind() == prim::ConstantChunk && unpack->i(attr::dim) == -1) {
    return Piece{unpack->input(0), static_cast<int64_t>(value->offset()), unpack->i(attr::chunks)};
  }
  if (unpack->kind() != prim::ListUnpack) return std::nullopt;
  const Node* chunk = unpack->input(0)->node();
  if (chunk->kind() != aten::chunk || !is_private(chunk->output()) || !is_last(chunk->input(2)))
    return std::nullopt;
  const auto count = static_cast<int64_t>(unpack->outputs().size());
  if (!is_int(chunk->input(1), count)) return std::nullopt;
  return Piece{chunk->input(0), static_cast<int64_t>(value->offset()), count};
}

// x.size(dim) for this constant dim, as scripting and tracing write it.
bool is_size_of(const Value* value, const Value* x, const Value* dim) {
  const Node* node = value->node();
  if (node->kind() == prim::NumToTensor || node->kind() == aten::Int)
    return is_size_of(node->input(0), x, dim);
  if (node->kind() == aten::size && node->inputs().size() == 2 && node->input(0) == x) {
    const auto read = toIValue(node->input(1)), expected = toIValue(dim);
    return read && expected && *read == *expected;
  }
  return is_last(dim) && tensor_with_last_size(value) == x;
}

bool is_two(const Value* value) {
  if (value->node()->kind() == prim::NumToTensor) value = value->node()->input(0);
  const auto constant = toIValue(value);
  if (constant && constant->isTensor())
    return constant->toTensor().numel() == 1 && constant->toTensor().item().equal(2);
  return is_int(value, 2);
}

// Half of x.size(dim), rounded down; or a number, where `width`, that size, is known.
bool is_half(const Value* value, const Value* x, const Value* dim, std::optional<int64_t> width) {
  if (const auto constant = toIValue(value))
    return width && constant->isInt() && constant->toInt() * 2 == *width;
  const Node* node = value->node();
  while (node->kind() == aten::Int || node->kind() == prim::NumToTensor) node = node->input(0)->node();
  const bool divides = node->kind() == aten::floordiv || node->kind() == aten::floor_divide;
  return divides && is_two(node->input(1)) && is_size_of(node->input(0), x, dim);
}

// The last size of x, where x is the result of a norm over it.
std::optional<int64_t> width_of(const Value* x) {
  if (x->node()->kind() != aten::layer_norm) return std::nullopt;
  const auto sizes = normalized_sizes(x->node());
  return sizes.size() == 1 ? sizes[0] : std::nullopt;
}

std::optional<Piece> piece_of_slice(const Value* value) {
  const Node* node = value->node();  // (tensor, dim, start, end, step)
  if (node->kind() != aten::slice || node->inputs().size() != 5 || !is_int(node->input(4), 1))
    return std::nullopt;
  const Value *x = node->input(0), *dim = node->input(1), *start = node->input(2), *end = node->input(3);
  // A traced dim counts from the front. It is the last one: with another one cat would not have x's shape.
  if (!toIValue(dim)) return std::nullopt;
  const auto width = width_of(x);
  if (is_slice_begin(start) && is_half(end, x, dim, width)) return Piece{x, 0, 2};
  if (is_half(start, x, dim, width) && is_slice_end(end)) return Piece{x, 1, 2};
  return std::nullopt;
}

struct Rotation {
  Value* x = nullptr;
  Value *cos = nullptr, *sin = nullptr;
  int64_t axes = 0;
  Node* last = nullptr;         // its output is what rotary replaces
  bool in_type_of_x = false;    // last casts back to x's dtype
  bool halves = false;          // two slices, chunk(2) otherwise: they differ where D is odd
  std::set<const Node*> nodes;  // that read x for the rotation
};

class RotaryFuser {
 public:
  explicit RotaryFuser(FusionGraph& graph) : graph_(graph) {}

  Outcome fuse(Node* add) {
    auto rotation = match(add);
    if (!rotation) return why_left(add);
    Rotation& r = *rotation;
    find_cast(r);
    // rotary reads them later than mul and chunk did
    if (graph_.written_between(first_reader(r), r.last, {r.x, r.cos, r.sin})) return kWritten;
    Node* norm = norm_of(r);
    Graph& graph = graph_.graph();
    const WithInsertPoint guard(r.last);
    Value* x = norm != nullptr ? norm->input(0) : r.x;
    std::vector<NamedValue> options = {
        {"axes", r.axes}, {"norm", norm != nullptr}, {"promote", !r.in_type_of_x}, {"halves", r.halves}};
    if (norm != nullptr) {
      options.emplace_back("norm_weight", norm->input(2));
      options.emplace_back("norm_bias", norm->input(3));
      options.emplace_back("norm_eps", norm->input(4));
    }
    Value* y = graph.insert(Symbol::fromQualString("vqt::rotary"), {x, r.cos, r.sin}, options,
                            r.last->sourceRange());
    graph_.replace(r.last->output(), y);
    if (norm != nullptr)
      replace_metadata_uses(norm->output(), norm->input(0));  // the nodes that read its values are removed
    return kMade;
  }

 private:
  // Why this sum is no rotation, where it looks like one: a * b + cat(-c, ...) * d.
  static Outcome why_left(const Node* add) {
    if (!is_op(add, "aten::add", "Tensor")) return kNoPattern;
    const Node* products[] = {add->input(0)->node(), add->input(1)->node()};
    for (const Node* product : products) {
      if (!is_op(product, "aten::mul", "Tensor")) return kNoPattern;
    }
    for (const Node* product : products) {
      for (const Value* factor : product->inputs()) {
        const std::vector<const Value*> parts = parts_of_rotated(factor);
        if (parts.empty()) continue;
        const bool all_private = is_private(factor) && is_private(products[0]->output()) &&
                                 is_private(products[1]->output()) &&
                                 std::all_of(parts.begin(), parts.end(), is_private);
        return all_private ? "it is not a rotation of halves or quarters of the last dimension"
                           : kReadByOthers;
      }
    }
    return kNoPattern;
  }

  // What cat(-c, ...) puts together, -c and c both; empty where value is something else.
  static std::vector<const Value*> parts_of_rotated(const Value* value) {
    if (value->node()->kind() != aten::cat) return {};
    const Node* list = value->node()->input(0)->node();
    if (list->kind() != prim::ListConstruct) return {};
    std::vector<const Value*> parts;
    bool negative = false;
    for (const Value* part : list->inputs()) {
      parts.push_back(part);
      if (part->node()->kind() != aten::neg) continue;
      parts.push_back(part->node()->input(0));
      negative = true;
    }
    return negative ? parts : std::vector<const Value*>();
  }

  std::optional<Rotation> match(Node* add) const {
    if (!is_op(add, "aten::add", "Tensor") || !is_int(add->input(2), 1)) return std::nullopt;
    for (const size_t rotated_side : {1, 0}) {
      Node *straight = add->input(1 - rotated_side)->node(), *rotated = add->input(rotated_side)->node();
      if (straight == rotated || !is_product(straight, add) || !is_product(rotated, add)) continue;
      for (const size_t i : {0, 1}) {
        Rotation r;
        r.last = add;
        r.sin = rotated->input(1 - i);
        if (!match_rotated(rotated->input(i), add, r)) continue;
        for (const size_t j : {0, 1}) {
          if (straight->input(j) != r.x) continue;
          r.cos = straight->input(1 - j);
          r.nodes.insert(straight);
          if (is_table(r.cos, r) && is_table(r.sin, r)) return r;
        }
      }
    }
    return std::nullopt;
  }

  static bool is_product(const Node* node, const Node* add) {
    return is_op(node, "aten::mul", "Tensor") && in_same_block(node, add) && is_private(node->output());
  }

  static bool is_table(const Value* value, const Rotation& r) {
    return value != r.x && value->type()->kind() == c10::TypeKind::TensorType;
  }

  // cat of pieces and negated pieces of one tensor.
  bool match_rotated(const Value* value, const Node* add, Rotation& r) const {
    const Node* cat = value->node();
    if (cat->kind() != aten::cat || !is_private(value) || !is_last(cat->input(1))) return false;
    const Node* list = cat->input(0)->node();
    if (list->kind() != prim::ListConstruct || !is_private(cat->input(0))) return false;
    const auto count = static_cast<int64_t>(list->inputs().size());
    if (count != 2 && count != 4) return false;
    for (int64_t i = 0; i < count; ++i) {
      const Value* part = list->inputs()[i];
      if (!is_private(part) || !in_same_block(part->node(), add)) return false;
      if (i % 2 == 0) {  // (-second, first) of each pair
        if (part->node()->kind() != aten::neg) return false;
        part = part->node()->input(0);
        if (!is_private(part)) return false;
      }
      auto piece = piece_of_chunk(part);
      const bool slice = !piece;
      if (slice) piece = piece_of_slice(part);
      if (i > 0 && slice != r.halves) return false;
      r.halves = slice;
      const int64_t expected = i % 2 == 0 ? i + 1 : i - 1;
      if (!piece || piece->index != expected || piece->count != count) return false;
      if (r.x != nullptr && piece->source != r.x) return false;
      r.x = const_cast<Value*>(piece->source);
      const Node* cut = part->node();
      if (cut->kind() == prim::ListUnpack) cut = cut->input(0)->node();
      if (!in_same_block(cut, add)) return false;
      r.nodes.insert(cut);
    }
    r.axes = count / 2;
    return true;
  }

  // (...).to(x.dtype) or (...).type_as(x)
  static void find_cast(Rotation& r) {
    Node* cast = only_user(r.last->output());
    if (cast == nullptr || !in_same_block(cast, r.last)) return;
    const auto is_false = [&](size_t i) {
      const auto constant = toIValue(cast->input(i));
      return constant && constant->isBool() && !constant->toBool();
    };
    const bool by_dtype = is_op(cast, "aten::to", "dtype") && cast->input(1)->node()->kind() == prim::dtype &&
                          cast->input(1)->node()->input(0) == r.x && is_false(3) && is_none(cast->input(4));
    const bool by_tensor = is_op(cast, "aten::type_as", "") && cast->input(1) == r.x;
    if (!by_dtype && !by_tensor) return;
    r.last = cast;
    r.in_type_of_x = true;
    r.nodes.insert(cast);
  }

  // The layer norm over the last dimension that makes x, if nothing but the rotation reads its result.
  Node* norm_of(const Rotation& r) const {
    Node* norm = r.x->node();
    if (norm->kind() != aten::layer_norm || !in_same_block(norm, r.last)) return nullptr;
    for (const Use& use : value_uses(r.x)) {
      if (!r.nodes.count(use.user)) return nullptr;
    }
    const bool written =
        graph_.written_between(norm, r.last, {norm->input(0), norm->input(2), norm->input(3)});
    return normalized_sizes(norm).size() == 1 && !written ? norm : nullptr;
  }

  static const Node* first_reader(const Rotation& r) {
    return *std::min_element(r.nodes.begin(), r.nodes.end(),
                             [](const Node* a, const Node* b) { return a != b && a->isBefore(b); });
  }

  FusionGraph& graph_;
};

}  // namespace

FusionResult fuse_rotary(FusionGraph& graph) {
  FusionResult result;
  RotaryFuser fuser(graph);
  for (Node* add : graph.nodes("aten::add")) result.add(add->owningBlock(), fuser.fuse(add));
  graph.clean_up();
  return result;
}

}  // namespace vqt
