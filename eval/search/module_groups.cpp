#include "eval/search/module_groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>

namespace vqt {
namespace {
constexpr int64_t kLargestShare = 4;  // of all bytes: a quarter
constexpr int64_t kSmallShare = 50;   // 2 %
constexpr size_t kMostParts = 12, kMostPieces = 6;

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

struct Site {
  Components path;
  SiteSize size;
};

// Sites that share the first `depth` components of their names, or neighbours among those that do.
struct Node {
  std::string module;  // these components
  std::string name;
  size_t depth = 0;
  std::vector<const Site*> sites;
  int64_t bytes = 0;
  bool whole = false;  // it cannot be split

  void add(const Site* site) {
    sites.push_back(site);
    bytes += site->size.bytes;
  }
};

// What stands directly below the module, in order of appearance; blocks in order of their numbers.
std::vector<Node> children(const Node& parent) {
  std::vector<Node> list;
  for (const Site* site : parent.sites) {
    const std::string key = site->path.size() > parent.depth ? site->path[parent.depth] : "";
    auto child = std::find_if(list.begin(), list.end(), [&](const Node& n) { return n.name == key; });
    if (child == list.end()) {
      const std::string module = key.empty() ? parent.module : joined(parent.module, key);
      list.push_back({module, key, parent.depth + 1, {}, 0, key.empty()});
      child = list.end() - 1;
    }
    child->add(site);
  }
  if (std::all_of(list.begin(), list.end(), [](const Node& n) { return is_number(n.name); })) {
    std::stable_sort(list.begin(), list.end(),
                     [](const Node& a, const Node& b) { return std::stoi(a.name) < std::stoi(b.name); });
  }
  return list;
}

// Neighbours as one node of the same module.
Node range_of(const Node& parent, std::vector<Node>::const_iterator first,
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
    for (const Site* site : child->sites) range.add(site);
  }
  return range;
}

// The modules a node is made of; of a list of blocks, or of many modules, two halves. Empty: it is one site.
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
      pieces.push_back(range_of(node, child, child + 1));
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
  return {range_of(node, list.cbegin(), cut), range_of(node, cut, list.cend())};
}

// Without leading modules that hold most of the network: their names tell nothing apart.
std::string short_name(std::string name, const std::vector<Site>& sites, int64_t total) {
  std::string module;
  for (size_t dot = 0; (dot = name.find('.')) != std::string::npos;) {
    module = joined(module, name.substr(0, dot));
    int64_t bytes = 0;
    for (const Site& site : sites) {
      if (site.size.name.rfind(module + ".", 0) == 0) bytes += site.size.bytes;
    }
    if (2 * bytes <= total || std::isdigit(static_cast<unsigned char>(name[dot + 1]))) break;
    name.erase(0, dot + 1);
  }
  return name;
}

std::vector<Site> with_paths(const std::vector<SiteSize>& sizes) {
  std::vector<Site> sites;
  for (const SiteSize& size : sizes) sites.push_back({components(size.name), size});
  return sites;
}

Part part_of(const Node& node, const std::vector<Site>& network, int64_t total) {
  Part part{short_name(node.name, network, total), {}, node.bytes};
  for (const Site* site : node.sites) part.sites.push_back(site->size.name);
  return part;
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

std::vector<Part> parts_of(const std::vector<SiteSize>& sizes) {
  const std::vector<Site> sites = with_paths(sizes);
  Node root;
  for (const Site& site : sites) root.add(&site);
  std::vector<Node> nodes = {root};
  for (;;) {
    auto heaviest = nodes.end();
    for (auto node = nodes.begin(); node != nodes.end(); ++node) {
      if (node->whole || kLargestShare * node->bytes <= root.bytes) continue;
      if (heaviest == nodes.end() || node->bytes > heaviest->bytes) heaviest = node;
    }
    if (heaviest == nodes.end()) break;
    const std::vector<Node> pieces = split(*heaviest);
    if (pieces.empty() || nodes.size() - 1 + pieces.size() > kMostParts) {
      heaviest->whole = true;
      continue;
    }
    nodes.insert(nodes.erase(heaviest), pieces.begin(), pieces.end());
  }
  std::vector<Part> parts;
  Part rest{"the rest", {}, 0};
  const auto small = [&](const Node& node) { return kSmallShare * node.bytes < root.bytes; };
  const bool several = std::count_if(nodes.begin(), nodes.end(), small) > 1;
  for (const Node& node : nodes) {
    const Part part = part_of(node, sites, root.bytes);
    if (!several || !small(node)) {
      parts.push_back(part);
      continue;
    }
    rest.sites.insert(rest.sites.end(), part.sites.begin(), part.sites.end());
    rest.bytes += part.bytes;
  }
  if (!rest.sites.empty()) parts.push_back(rest);
  if (parts.size() == 1) parts[0].name = "all sites";
  return parts;
}

std::vector<Part> pieces_of(const Part& part, const std::vector<SiteSize>& all) {
  const std::vector<Site> sites = with_paths(all);
  Node node;
  int64_t total = 0;
  for (const Site& site : sites) {
    total += site.size.bytes;
    if (std::find(part.sites.begin(), part.sites.end(), site.size.name) != part.sites.end()) node.add(&site);
  }
  std::vector<Part> pieces;
  for (const Node& piece : split(node)) pieces.push_back(part_of(piece, sites, total));
  return pieces;
}

std::vector<std::string> patterns_of(const std::vector<std::string>& wanted,
                                     const std::vector<std::string>& others) {
  std::vector<std::string> patterns;
  cover(wanted, others, 0, patterns);
  return patterns;
}

}  // namespace vqt
