// Look-ups on one graph, and the edits that fusions share.
#include "passes/fusion/fusion_graph.h"

#include <torch/csrc/jit/ir/alias_analysis.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <limits>
#include <set>

#include "passes/ir/model_graph.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

using namespace torch::jit;

constexpr const char* kActivationArguments[] = {"activation", "activation_symmetric", "x_scale",
                                                "x_zero_point"};

size_t argument_index(const Node* node, const char* name) {
  const auto index = node->schema().argumentIndexWithName(name);
  TORCH_INTERNAL_ASSERT(index, node->kind().toQualString(), " has no argument ", name);
  return static_cast<size_t>(*index);
}

bool is_linear_of_8_or_4_bits(const Node* node) {
  static const Symbol kInt8 = Symbol::fromQualString("vqt::linear_int8");
  static const Symbol kInt4 = Symbol::fromQualString("vqt::linear_int4");
  return node->kind() == kInt8 || node->kind() == kInt4;
}

// Does not depend on the numbers of the value.
bool is_metadata_use(const Use& use) {
  static const std::set<std::string> kNames = {"aten::size",    "aten::dim",    "aten::len",
                                               "aten::numel",   "prim::dtype",  "prim::device",
                                               "prim::is_cuda", "prim::is_cpu", "aten::is_floating_point"};
  return use.offset == 0 && kNames.count(use.user->kind().toQualString()) != 0;
}

}  // namespace

FusionGraph::FusionGraph(std::shared_ptr<Graph> graph, ConstantValue constant_value,
                         std::optional<at::ScalarType> float_type)
    : graph_(std::move(graph)),
      constant_value_(std::move(constant_value)),
      float_type_(float_type),
      aliases_(std::make_unique<AliasDb>(graph_)) {}

FusionGraph::~FusionGraph() = default;

bool FusionGraph::written_between(const Node* from, const Node* to,
                                  const std::vector<const Value*>& values) const {
  const ValueSet set(values.begin(), values.end());
  const Node* end = to;
  while (end->owningBlock() != from->owningBlock()) end = end->owningBlock()->owningNode();
  const bool nested = end != to;
  for (const Node* node = from->next(); node != end; node = node->next()) {
    if (aliases_->writesToAlias(const_cast<Node*>(node), set)) return true;
  }
  return nested && aliases_->writesToAlias(const_cast<Node*>(end), set);
}

std::vector<Node*> FusionGraph::nodes(const std::string& kind) const {
  const Symbol symbol = Symbol::fromQualString(kind);
  std::vector<Node*> found;
  for_each_node(graph_->block(), [&](Node* node) {
    if (node->kind() == symbol && node->owningGraph() == graph_.get()) found.push_back(node);
  });
  return found;
}

void FusionGraph::replace(Value* value, Value* by) {
  aliases_->copyValue(value, by);  // later nodes may write to `by`
  value->replaceAllUsesWith(by);
}

void FusionGraph::clean_up() { EliminateDeadCode(graph_->block()); }

at::Tensor FusionGraph::packed_weight(const Node* linear) const {
  const c10::IValue weight = constant_value_(linear->input(1));
  return weight.isTensor() ? weight.toTensor() : at::Tensor();
}

std::vector<Node*> FusionGraph::integer_linears() const {
  std::vector<Node*> linears;
  for (const char* kind : {"vqt::linear_int8", "vqt::linear_int4"}) {
    for (Node* linear : nodes(kind)) {
      if (is_integer_linear(linear)) linears.push_back(linear);
    }
  }
  return linears;
}

bool FusionGraph::is_integer_linear(const Node* node) const {
  if (!is_linear_of_8_or_4_bits(node)) return false;
  if (!is_quantized_activation(node->input(0))) {
    const auto arguments = activation_arguments(node);
    if (!arguments || arguments->activation == to_string(ActivationMode::kNone)) return false;
  }
  const at::Tensor weight = packed_weight(node);
  if (!weight.defined() || weight.scalar_type() != at::kByte) return false;
  try {
    return packed_info(weight).layout == "cpu";
  } catch (const c10::Error&) {
    return false;  // canonical weights come with scale and zero point of their own
  }
}

int64_t FusionGraph::rows(const Node* linear) const {
  const auto begin = constant_argument(linear, "row_begin"), end = constant_argument(linear, "row_end");
  if (!begin || !end) return -1;
  const int64_t last = end->toInt() < 0 ? packed_info(packed_weight(linear)).n : end->toInt();
  return last - begin->toInt();
}

int64_t FusionGraph::columns(const Node* linear) const { return packed_info(packed_weight(linear)).k; }

Value* argument(const Node* node, const char* name) {
  return const_cast<Node*>(node)->input(argument_index(node, name));
}

void set_argument(Node* node, const char* name, Value* value) {
  node->replaceInput(argument_index(node, name), value);
}

void set_argument(Node* node, const char* name, const c10::IValue& constant) {
  const WithInsertPoint guard(node);
  set_argument(node, name, node->owningGraph()->insertConstant(constant));
}

std::optional<c10::IValue> constant_argument(const Node* node, const char* name) {
  return toIValue(argument(node, name));
}

bool is_default(const Node* node, const char* name) {
  const auto value = constant_argument(node, name);
  const auto& initial = node->schema().arguments()[argument_index(node, name)].default_value();
  return value && initial && *value == *initial;
}

std::optional<ActivationArguments> activation_arguments(const Node* node) {
  const auto name = constant_argument(node, "activation"),
             symmetric = constant_argument(node, "activation_symmetric"),
             scale = constant_argument(node, "x_scale"), zero = constant_argument(node, "x_zero_point");
  if (!name || !name->isString() || !symmetric || !scale || !scale->isDouble() || !zero) return std::nullopt;
  return ActivationArguments{name->toStringRef(), symmetric->toBool(), scale->toDouble(), zero->toInt()};
}

void reset_activation_arguments(Node* linear) {
  for (const char* name : kActivationArguments) {
    if (is_default(linear, name)) continue;
    set_argument(linear, name, *linear->schema().arguments()[argument_index(linear, name)].default_value());
  }
}

Value* insert_quantizer(Node* place, const std::string& kind, const std::vector<NamedValue>& inputs,
                        const ActivationArguments& activation) {
  const WithInsertPoint guard(place);
  return place->owningGraph()->insert(Symbol::fromQualString(kind), inputs,
                                      {{"activation", activation.activation},
                                       {"activation_symmetric", activation.symmetric},
                                       {"x_scale", activation.scale},
                                       {"x_zero_point", activation.zero_point}},
                                      place->sourceRange());
}

bool is_quantized_activation(const Value* value) {
  static const std::set<std::string> kQuantizers = {"vqt::quantize_activation", "vqt::layer_norm_quantize"};
  const Node* node = value->node();
  return kQuantizers.count(node->kind().toQualString()) ||
         (is_linear_of_8_or_4_bits(node) && !is_default(node, "y_scale"));
}

std::vector<Use> value_uses(const Value* value) {
  std::vector<Use> uses;
  for (const Use& use : value->uses()) {
    if (!is_metadata_use(use)) uses.push_back(use);
  }
  return uses;
}

void replace_metadata_uses(Value* value, Value* by) {
  for (const Use& use : std::vector<Use>(value->uses())) {
    if (is_metadata_use(use)) use.user->replaceInput(use.offset, by);
  }
}

Node* only_user(const Value* value) { return value->uses().size() == 1 ? value->uses()[0].user : nullptr; }

bool in_same_block(const Node* a, const Node* b) { return a->owningBlock() == b->owningBlock(); }

std::vector<std::optional<int64_t>> normalized_sizes(const Node* layer_norm) {
  std::vector<std::optional<int64_t>> sizes;
  const Value* shape = layer_norm->inputs()[1];
  if (const auto constant = toIValue(shape)) {
    for (const int64_t size : constant->toIntVector()) sizes.emplace_back(size);
  } else if (shape->node()->kind() == prim::ListConstruct) {
    for (const Value* item : shape->node()->inputs()) {
      const auto size = toIValue(item);
      sizes.push_back(size ? std::optional<int64_t>(size->toInt()) : std::nullopt);
    }
  }
  return sizes;
}

bool is_op(const Node* node, const char* kind, const char* overload) {
  if (node->kind() != Symbol::fromQualString(kind)) return false;
  const FunctionSchema* schema = node->maybeSchema();
  return schema != nullptr && schema->overload_name() == overload;
}

bool is_slice_begin(const Value* value) { return is_none(value) || is_int(value, 0); }

bool is_slice_end(const Value* value) {
  return is_none(value) || is_int(value, std::numeric_limits<int64_t>::max());
}

}  // namespace vqt
