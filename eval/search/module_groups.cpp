#include "eval/search/module_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace vqt {
namespace {
constexpr int64_t kLargestShare = 4;  // of all bytes: a quarter
constexpr int64_t kSmallShare = 50;   // 2 %
constexpr size_t kMostGroups = 12, kMostPieces = 6;

using Components = std::vector<std::string>;

Components components(const std::string& name) {
  Components list;
  for (size_t begin = 0; begin <= name.size();) {
    const size_t end = std::min(name.find('.', begin), name.size());
    list.push_back(name.substr(begin, end - begin));
    begin = end + 1;
  }
  return list;
}

bool is_number(const std::string& text) {
  return !text.empty() && text.size() < 10 &&
         std::all_of(text.begin(), text.end(), [](unsigned char c) { return std::isdigit(c); });
}

std::string joined(const std::string& module, const std::string& child) {
  return module.empty() ? child : module + "." + child;
}

struct Layer {
  Components path;
  LayerSize size;
};

// Layers that share the first `depth` components of their names, or neighbours among those that do.
struct Node {
  std::string module;  // these components
  std::string name;
  size_t depth = 0;
  std::vector<const Layer*> layers;
  int64_t bytes = 0;
  bool whole = false;  // it cannot be split

  void add(const Layer* layer) {
    layers.push_back(layer);
    bytes += layer->size.bytes;
  }
};

// The children of a module in order of appearance; blocks in order of their numbers.
std::vector<Node> children(const Node& parent) {
  std::vector<Node> list;
  for (const Layer* layer : parent.layers) {
    const std::string key = layer->path.size() > parent.depth ? layer->path[parent.depth] : "";
    auto child = std::find_if(list.begin(), list.end(), [&](const Node& n) { return n.name == key; });
    if (child == list.end()) {
      const std::string module = key.empty() ? parent.module : joined(parent.module, key);
      list.push_back({module, key, parent.depth + 1, {}, 0, key.empty()});
      child = list.end() - 1;
    }
    child->add(layer);
  }
  if (std::all_of(list.begin(), list.end(), [](const Node& n) { return is_number(n.name); })) {
    std::stable_sort(list.begin(), list.end(),
                     [](const Node& a, const Node& b) { return std::stoi(a.name) < std::stoi(b.name); });
  }
  return list;
}

// Neighbours as one node of the same module.
Node node_of_range(const Node& parent, std::vector<Node>::const_iterator first,
                   std::vector<Node>::const_iterator last) {
  const Node& back = *(last - 1);
  if (last - first == 1) {
    Node only = *first;
    only.name = only.module;
    return only;
  }
  const char* const dash = is_number(first->name) && is_number(back.name) ? "-" : "..";
  Node range{parent.module, joined(parent.module, first->name + dash + back.name), parent.depth, {}, 0,
             false};
  for (auto child = first; child != last; ++child) {
    for (const Layer* layer : child->layers) range.add(layer);
  }
  return range;
}

// The children of a node; of a list of blocks, or of many modules, two halves. Empty: the node is one layer.
std::vector<Node> split(Node node) {
  std::vector<Node> list = children(node);
  while (list.size() == 1 && !list[0].whole) {
    node = list[0];
    list = children(node);
  }
  if (list.size() < 2) return {};
  std::vector<Node> pieces;
  const bool blocks = std::all_of(list.begin(), list.end(), [](const Node& n) { return is_number(n.name); });
  if (!blocks && list.size() <= kMostPieces) {
    for (auto child = list.cbegin(); child != list.cend(); ++child)
      pieces.push_back(node_of_range(node, child, child + 1));
    return pieces;
  }
  int64_t left = 0, least = node.bytes;
  auto cut = list.cbegin() + 1;
  for (auto child = list.cbegin(); child + 1 != list.cend(); ++child) {
    left += child->bytes;
    const int64_t uneven = std::abs(node.bytes - 2 * left);
    if (uneven < least) {
      least = uneven;
      cut = child + 1;
    }
  }
  return {node_of_range(node, list.cbegin(), cut), node_of_range(node, cut, list.cend())};
}

// Without leading modules that hold most of the network: nearly all names begin with them.
std::string short_name(std::string name, const std::vector<Layer>& layers, int64_t total) {
  std::string module;
  for (size_t dot = 0; (dot = name.find('.')) != std::string::npos;) {
    module = joined(module, name.substr(0, dot));
    int64_t bytes = 0;
    for (const Layer& layer : layers) {
      if (layer.size.name.rfind(module + ".", 0) == 0) bytes += layer.size.bytes;
    }
    if (2 * bytes <= total || std::isdigit(static_cast<unsigned char>(name[dot + 1]))) break;
    name.erase(0, dot + 1);
  }
  return name;
}

std::vector<Layer> with_paths(const std::vector<LayerSize>& sizes) {
  std::vector<Layer> layers;
  for (const LayerSize& size : sizes) layers.push_back({components(size.name), size});
  return layers;
}

ModuleGroup group_of(const Node& node, const std::vector<Layer>& network, int64_t total) {
  ModuleGroup group{short_name(node.name, network, total), {}, node.bytes};
  for (const Layer* layer : node.layers) group.layers.push_back(layer->size.name);
  return group;
}

std::string escaped(const std::string& name) {
  std::string text;
  for (const char c : name) {
    if (!std::isalnum(static_cast<unsigned char>(c)) && c != '_') text += '\\';
    text += c;
  }
  return text;
}

void cover(const std::vector<std::string>& wanted, const std::vector<std::string>& others, size_t depth,
           std::vector<std::string>& patterns) {
  const auto module_of = [&](const std::string& name) {
    size_t end = 0;
    for (size_t i = 0; i <= depth && end != std::string::npos; ++i)
      end = name.find('.', i == 0 ? 0 : end + 1);
    return name.substr(0, end);
  };
  std::set<std::string> done;
  for (const std::string& name : wanted) {
    const std::string module = module_of(name);
    if (!done.insert(module).second) continue;
    const auto inside = [&](const std::string& other) { return module_of(other) == module; };
    if (std::none_of(others.begin(), others.end(), inside)) {
      // A name without a dot is a word to look for anywhere.
      patterns.push_back(module.find('.') != std::string::npos ? module
                                                               : "re:" + escaped(module) + "(\\..*)?");
      continue;
    }
    std::vector<std::string> below;
    for (const std::string& other : wanted) {
      if (other == module) {
        patterns.push_back("re:" + escaped(module));
      } else if (inside(other)) {
        below.push_back(other);
      }
    }
    cover(below, others, depth + 1, patterns);
  }
}

}  // namespace

std::vector<ModuleGroup> module_groups(const std::vector<LayerSize>& sizes) {
  const std::vector<Layer> layers = with_paths(sizes);
  Node root;
  for (const Layer& layer : layers) root.add(&layer);
  std::vector<Node> nodes = {root};
  for (;;) {
    auto heaviest = nodes.end();
    for (auto node = nodes.begin(); node != nodes.end(); ++node) {
      if (node->whole || kLargestShare * node->bytes <= root.bytes) continue;
      if (heaviest == nodes.end() || node->bytes > heaviest->bytes) heaviest = node;
    }
    if (heaviest == nodes.end()) break;
    const std::vector<Node> pieces = split(*heaviest);
    if (pieces.empty() || nodes.size() - 1 + pieces.size() > kMostGroups) {
      heaviest->whole = true;
      continue;
    }
    nodes.insert(nodes.erase(heaviest), pieces.begin(), pieces.end());
  }
  std::vector<ModuleGroup> groups;
  ModuleGroup rest{"the rest", {}, 0};
  const auto small = [&](const Node& node) { return kSmallShare * node.bytes < root.bytes; };
  const bool several = std::count_if(nodes.begin(), nodes.end(), small) > 1;
  for (const Node& node : nodes) {
    const ModuleGroup group = group_of(node, layers, root.bytes);
    if (!several || !small(node)) {
      groups.push_back(group);
      continue;
    }
    rest.layers.insert(rest.layers.end(), group.layers.begin(), group.layers.end());
    rest.bytes += group.bytes;
  }
  if (!rest.layers.empty()) groups.push_back(rest);
  if (groups.size() == 1) groups[0].name = "all layers";
  return groups;
}

std::vector<ModuleGroup> split_group(const ModuleGroup& group, const std::vector<LayerSize>& all) {
  const std::vector<Layer> layers = with_paths(all);
  Node node;
  int64_t total = 0;
  for (const Layer& layer : layers) {
    total += layer.size.bytes;
    if (std::find(group.layers.begin(), group.layers.end(), layer.size.name) != group.layers.end())
      node.add(&layer);
  }
  std::vector<ModuleGroup> pieces;
  for (const Node& piece : split(node)) pieces.push_back(group_of(piece, layers, total));
  return pieces;
}

std::vector<std::string> patterns_of(const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& others) {
  std::vector<std::string> patterns;
  cover(wanted, others, 0, patterns);
  return patterns;
}

}  // namespace vqt
