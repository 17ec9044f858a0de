// conv(resized(x))  =>  conv(x, x_size); between them the two halves of the channels may get a table of positions each:
//   u = resized(x); u[:, :c / 2] += ex[:, None, :]; u[:, c / 2:] += ey[:, :, None]
#include "passes/fusion/fusions.h"

#include <optional>

#include "passes/ir/convolutions.h"
#include "passes/ir/trace_weight.h"
#include "vqt/conv.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool is_kind(const Node* node, const char* kind) { return node->kind() == Symbol::fromQualString(kind); }

// Half of the channels of this map: map.size(1) // 2.
bool is_half_of_channels(const Value* value, const Value* map) {
  const Node* half = value->node();
  if (!is_kind(half, "aten::floordiv") || !is_int(half->input(1), 2)) return false;
  const Node* size = half->input(0)->node();
  return size->kind() == aten::size && size->inputs().size() == 2 && size->input(0) == map &&
         is_int(size->input(1), 1);
}

// slice(map, 1, 0, half) += unsqueeze(table, 1), or slice(map, 1, half, end) += unsqueeze(table, 2)
struct PositionStep {
  Node* sum = nullptr;
  Value* table = nullptr;  // [c / 2, width] or [c / 2, height]
  bool columns = false;
};

// map[:, a:b] slices the first dimension too.
const Node* without_full_slice(const Node* slice) {
  const bool full = slice->kind() == aten::slice && is_int(slice->input(1), 0) &&
                    is_slice_begin(slice->input(2)) && is_slice_end(slice->input(3)) &&
                    is_int(slice->input(4), 1);
  const Node* user = full ? only_user(slice->output()) : nullptr;
  return user == nullptr ? slice : user;
}

std::optional<PositionStep> position_step(const Node* slice, const Value* map) {
  slice = without_full_slice(slice);
  if (slice->kind() != aten::slice || !is_int(slice->input(1), 1) || !is_int(slice->input(4), 1))
    return std::nullopt;
  const bool first = is_slice_begin(slice->input(2)) && is_half_of_channels(slice->input(3), map);
  const bool second = is_half_of_channels(slice->input(2), map) && is_slice_end(slice->input(3));
  if (!first && !second) return std::nullopt;
  Node* sum = only_user(slice->output());
  if (sum == nullptr || !is_op(sum, "aten::add_", "Tensor") || sum->input(0) != slice->output())
    return std::nullopt;
  if (!is_int(sum->input(2), 1) || sum->output()->hasUses()) return std::nullopt;
  Value* table = sum->input(1);
  while (is_cast(table->node())) table = table->node()->input(0);
  const bool row =
      is_kind(table->node(), "aten::unsqueeze") && is_int(table->node()->input(1), first ? 1 : 2);
  if (!row) return std::nullopt;
  return PositionStep{sum, table->node()->input(0), first};
}

class ResizeFuser {
 public:
  explicit ResizeFuser(FusionGraph& graph) : graph_(graph) {}

  Outcome fuse(Node* conv) {
    Value* map = conv->input(0);
    Node* resize = map->node();
    if (!is_aligned_resize(resize) || !is_default(conv, "x_size")) return kNoPattern;
    Value* size = resize->input(1);
    if (size->type()->kind() != c10::TypeKind::ListType || size->node()->kind() != prim::ListConstruct)
      return "its size is known at run time only";
    const auto form = constant_argument(conv, "form");
    if (!form || form->toStringRef() != to_string(ConvForm::kWinograd))
      return "its convolution is not 3 x 3 with stride 1";
    if (!in_same_block(resize, conv)) return kOtherBlock;
    std::vector<Use> others;
    PositionStep steps[2];
    for (const Use& use : value_uses(map)) {
      if (use.user == conv && use.offset == 0) continue;
      const auto step = position_step(use.user, map);
      if (step && steps[step->columns].sum == nullptr && in_same_block(step->sum, conv) &&
          step->sum->isBefore(conv))
        steps[step->columns] = *step;
      else
        others.push_back(use);
    }
    const bool with_position = steps[0].sum != nullptr && steps[1].sum != nullptr;
    if (!others.empty() || with_position != (steps[0].sum != nullptr || steps[1].sum != nullptr))
      return kReadByOthers;
    Value* x = resize->input(0);
    if (graph_.written_between(resize, conv, {x})) return kWritten;
    for (const Use& use : map->uses()) {
      if (use.user->kind() == aten::size && use.user->inputs().size() != 2)
        return "all of its sizes are read";
    }
    if (with_position) {
      set_argument(conv, "pos_x", steps[1].table);
      set_argument(conv, "pos_y", steps[0].table);
      for (const PositionStep& step : steps) {
        Value* slice = step.sum->input(0);
        for (step.sum->destroy(); slice != map;) {
          Node* node = slice->node();
          slice = node->input(0);
          node->destroy();
        }
      }
    }
    conv->replaceInput(0, x);
    set_argument(conv, "x_size", size);
    replace_metadata(map, x, size->node());
    resize->destroy();
    return kMade;
  }

 private:
  // What asked for the map's sizes, dtype or device gets them from the list and from x.
  static void replace_metadata(Value* map, Value* x, Node* size) {
    for (const Use& use : std::vector<Use>(map->uses())) {
      Node* node = use.user;
      const bool rows =
          node->kind() == aten::size && (is_int(node->input(1), 2) || is_int(node->input(1), -2));
      const bool columns =
          node->kind() == aten::size && (is_int(node->input(1), 3) || is_int(node->input(1), -1));
      if (rows || columns) {
        node->output()->replaceAllUsesWith(size->input(rows ? 0 : 1));
        node->destroy();
      } else {
        node->replaceInput(use.offset, x);
      }
    }
  }

  FusionGraph& graph_;
};

}  // namespace

FusionResult fuse_resize(FusionGraph& graph) {
  FusionResult result;
  ResizeFuser fuser(graph);
  for (Node* conv : graph.nodes("vqt::conv2d_int8")) result.add(conv->owningBlock(), fuser.fuse(conv));
  return result;
}

}  // namespace vqt
