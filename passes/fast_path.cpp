// Finds and cuts the branches to native attention ops.
#include "fast_path.h"

#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include "inline_functions.h"

namespace vqt {
namespace {

using namespace torch::jit;

bool makes_nested_tensor(const Node* node) {
  static const Symbol kKind = Symbol::fromQualString("aten::_nested_tensor_from_mask");
  return node->kind() == kKind;
}

bool does_nothing(const Block* block) {
  for (const Node* node : block->nodes()) {
    if (node->kind() != prim::Constant && node->kind() != prim::Uninitialized) return false;
  }
  return true;
}

FastPath outermost_branch(Node* native) {
  FastPath path;
  for (Block* block = native->owningBlock(); block->owningNode() != nullptr;) {
    Node* branch = block->owningNode();
    if (branch->kind() != prim::If) break;
    const size_t index = branch->blocks()[0] == block ? 0 : 1;
    if (!does_nothing(branch->blocks()[1 - index])) break;
    path.branch = branch;
    path.block = index;
    block = branch->owningBlock();
  }
  return path;
}

}  // namespace

bool is_native_attention(const Node* node) {
  static const Symbol kAttention = Symbol::fromQualString("aten::_native_multi_head_attention");
  static const Symbol kLayer = Symbol::fromQualString("aten::_transformer_encoder_layer_fwd");
  return node->kind() == kAttention || node->kind() == kLayer;
}

std::vector<FastPath> find_fast_paths(Graph& graph, int method) {
  std::vector<FastPath> paths;
  for_each_node(graph.block(), [&](Node* node) {
    if (!is_native_attention(node) && !makes_nested_tensor(node)) return;
    FastPath path = outermost_branch(node);
    if (path.branch == nullptr) return;  // traced: there is no other branch
    for (const FastPath& known : paths) {
      if (known.branch == path.branch) return;
    }
    path.method = method;
    path.makes_nested_tensor = makes_nested_tensor(node);
    paths.push_back(path);
  });
  return paths;
}

std::vector<FastPath> find_fast_paths(const ModelGraphs& model) {
  std::vector<FastPath> paths;
  for (size_t i = 0; i < model.methods().size(); ++i) {
    const auto found = find_fast_paths(*model.methods()[i].graph, static_cast<int>(i));
    paths.insert(paths.end(), found.begin(), found.end());
  }
  return paths;
}

int enclosing_fast_path(const std::vector<FastPath>& paths, const Node* node) {
  for (const Block* block = node->owningBlock(); block != nullptr && block->owningNode() != nullptr;
       block = block->owningNode()->owningBlock()) {
    for (size_t i = 0; i < paths.size(); ++i) {
      if (paths[i].branch->blocks()[paths[i].block] == block) return static_cast<int>(i);
    }
  }
  return -1;
}

void cut_fast_path(const ModelGraphs& model, const FastPath& path) {
  const std::shared_ptr<Graph>& graph = model.methods()[path.method].graph;
  Value* never = nullptr;
  {
    const WithInsertPoint guard(path.branch);
    never = graph->insertConstant(path.block == 1);
  }
  path.branch->replaceInput(0, never);
  fold_branches(*graph);
  EliminateDeadCode(graph);
}

}  // namespace vqt
