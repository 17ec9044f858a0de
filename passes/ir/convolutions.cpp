#include "passes/ir/convolutions.h"

#include <ATen/core/Tensor.h>
#include <torch/csrc/jit/ir/constants.h>

#include <set>
#include <tuple>

#include "passes/ir/constant_values.h"
#include "passes/ir/trace_weight.h"

namespace vqt {
namespace {

using namespace torch::jit;

// [2] out of one or two numbers.
std::optional<std::array<int64_t, 2>> constant_pair(const Value* list) {
  const auto ints = constant_ints(list);
  if (!ints || ints->empty() || ints->size() > 2) return std::nullopt;
  return std::array<int64_t, 2>{ints->front(), ints->back()};
}

const Value* argument(const Node* node, const char* name) {
  const auto index = node->schema().argumentIndexWithName(name);
  return index ? node->input(*index) : nullptr;
}

// "same" pads by half of what the window reaches over; where that is odd torch pads one side more.
bool padding_of(const std::string& mode, ConvShape& c) {
  if (mode == "valid") return true;
  if (mode != "same") return false;
  for (size_t i = 0; i < 2; ++i) {
    const int64_t both = c.dilation[i] * (c.kernel[i] - 1);
    if (both % 2 != 0) return false;
    c.padding[i] = both / 2;
  }
  return true;
}

// The call of _output_padding that computes this list, or null.
const Node* output_padding_call(const Value* list) {
  const Node* call = list->node();
  const bool computes = call->kind() == prim::CallMethod && call->s(attr::name) == "_output_padding";
  return computes && call->inputs().size() > 2 ? call : nullptr;
}

// None, or an argument for which no method of the model passes anything else.
bool is_never_given(const ModelGraphs& model, int method, const Value* size) {
  if (is_none(size)) return true;
  if (size->node() != model.methods()[method].graph->block()->param_node()) return false;
  bool never = true;
  for (const MethodGraph& caller : model.methods()) {
    for_each_node(caller.graph->block(), [&](Node* call) {
      if (call->kind() != prim::CallMethod || model.callee_of(call) != method) return;
      never = never && is_none(call->input(size->offset()));
    });
  }
  return never;
}

// A constant, or what nn.ConvTranspose2d makes of no output_size.
std::optional<std::array<int64_t, 2>> output_padding_of(const ModelGraphs& model, int method,
                                                        const Value* list) {
  const Node* call = output_padding_call(list);
  if (call == nullptr) return constant_pair(list);
  const int callee = model.callee_of(call);
  if (callee < 0 || !is_never_given(model, method, call->input(2))) return std::nullopt;
  const Graph& graph = *model.methods()[callee].graph;
  const Node* branch = graph.outputs()[0]->node();
  const bool asks = branch->kind() == prim::If && branch->input(0)->node()->kind() == aten::__is__ &&
                    branch->input(0)->node()->input(0) == graph.inputs()[2];
  return asks ? constant_pair(branch->blocks()[0]->outputs()[graph.outputs()[0]->offset()]) : std::nullopt;
}

}  // namespace

bool is_aligned_resize(const Node* node) {
  if (node->kind() != Symbol::fromQualString("aten::upsample_bilinear2d")) return false;
  const auto index = node->schema().argumentIndexWithName("align_corners");
  return index && constant_as<bool>(node->input(*index)) == true;
}

std::optional<std::vector<int64_t>> constant_ints(const Value* list) {
  if (const auto constant = toIValue(list)) {
    if (constant->isInt()) return std::vector<int64_t>{constant->toInt()};
    if (!constant->isIntList()) return std::nullopt;
    return constant->toIntVector();
  }
  if (list->node()->kind() != prim::ListConstruct) return std::nullopt;
  std::vector<int64_t> ints;
  for (const Value* item : list->node()->inputs()) {
    const auto constant = toIValue(item);
    if (!constant || !constant->isInt()) return std::nullopt;
    ints.push_back(constant->toInt());
  }
  return ints;
}

bool operator==(const ConvShape& a, const ConvShape& b) {
  const auto fields = [](const ConvShape& s) {
    return std::tie(s.in_channels, s.out_channels, s.kernel, s.stride, s.padding, s.dilation, s.groups,
                    s.transposed, s.output_padding);
  };
  return fields(a) == fields(b);
}

bool is_float_convolution(const Node* node) {
  static const std::set<std::string> kNames = {"aten::conv2d", "aten::conv_transpose2d", "aten::convolution",
                                               "aten::_convolution", "aten::_convolution_mode"};
  return kNames.count(node->kind().toQualString()) != 0;
}

bool is_quantized_convolution(const Node* node) {
  static const std::set<std::string> kNames = {"vqt::conv2d_int8", "vqt::conv_transpose2d_int8"};
  return kNames.count(node->kind().toQualString()) != 0;
}

std::optional<ConvShape> read_convolution(const ModelGraphs& model, int method, const Node* node,
                                          const at::Tensor& weight, std::string& problem) {
  const auto fail = [&](const char* name) {
    problem = std::string("its ") + name + " is known at run time only";
    return std::nullopt;
  };
  ConvShape c;
  c.kernel = {weight.size(2), weight.size(3)};
  c.transposed = node->kind() == Symbol::fromQualString("aten::conv_transpose2d");
  if (const Value* transposed = argument(node, "transposed")) {
    const auto known = toIValue(transposed);
    if (!known || !known->isBool()) return fail("transposed");
    c.transposed = known->toBool();
  }
  const std::pair<const char*, std::array<int64_t, 2>*> lists[] = {
      {"stride", &c.stride}, {"dilation", &c.dilation}, {"padding", &c.padding}};
  for (const auto& [name, member] : lists) {
    const Value* value = argument(node, name);
    if (value == nullptr) continue;
    if (const auto mode = toIValue(value); mode && mode->isString()) {
      if (!padding_of(mode->toStringRef(), c)) {
        problem = "its padding is not the same on both sides";
        return std::nullopt;
      }
      continue;
    }
    const auto pair = constant_pair(value);
    if (!pair) return fail(name);
    *member = *pair;
  }
  if (const Value* list = argument(node, "output_padding")) {
    const auto pair = output_padding_of(model, method, list);
    if (!pair) return fail("output_padding");
    c.output_padding = *pair;
  }
  const auto groups = toIValue(argument(node, "groups"));
  if (!groups || !groups->isInt()) return fail("groups");
  c.groups = groups->toInt();
  const int64_t inner = weight.size(1) * c.groups, outer = weight.size(0);
  c.in_channels = c.transposed ? outer : inner;
  c.out_channels = c.transposed ? inner : outer;
  return c;
}

void drop_output_padding(Node* convolution) {
  const auto index = convolution->schema().argumentIndexWithName("output_padding");
  Node* call = index ? convolution->input(*index)->node() : nullptr;
  if (call == nullptr || output_padding_call(call->output()) == nullptr) return;
  Graph& graph = *call->owningGraph();
  const WithInsertPoint guard(call);
  Value* size = call->input(2);
  if (!is_none(size)) {
    Value* given = graph.insert(aten::__isnot__, {size, graph.insertConstant(c10::IValue())});
    Node* branch = graph.insertNode(graph.create(prim::If, {given}, 0));
    Block* raises = branch->addBlock();
    branch->addBlock();
    const WithInsertPoint inside(raises);
    Value* message = graph.insertConstant(std::string("output_size: this quantized convolution takes none"));
    Value* type = graph.insertConstant(std::string("builtins.ValueError"));
    graph.insertNode(graph.create(prim::RaiseException, {message, type}, 0));
  }
  call->output()->replaceAllUsesWith(graph.insertConstant(std::vector<int64_t>{0, 0}));
  call->destroy();
}

}  // namespace vqt
