// Whole graphs as text, so that tests compare everything a pass left behind.
#pragma once

#include <torch/csrc/jit/ir/ir.h>
#include <torch/csrc/jit/ir/irparser.h>
#include <torch/csrc/jit/passes/canonicalize.h>
#include <torch/csrc/jit/passes/constant_pooling.h>

#include <map>
#include <memory>
#include <regex>
#include <string>

namespace vqt {

// Values numbered in order, in blocks too; equal constants once; no source places; every class type called
// Module.
inline std::string text_of(const std::shared_ptr<torch::jit::Graph>& graph) {
  const auto pooled = graph->copy();
  torch::jit::ConstantPooling(pooled);
  const std::string text = torch::jit::Canonicalize(pooled, /*keep_unique_names=*/false)->toString(false);
  const std::string plain = std::regex_replace(std::regex_replace(text, std::regex(" +#[^\n]*"), ""),
                                               std::regex("__torch__[A-Za-z0-9_.]*"), "Module");
  std::string result;
  std::map<std::string, size_t> numbers;
  const std::regex name("%[A-Za-z0-9_.]+");
  auto end_of_last = plain.begin();
  for (std::sregex_iterator it(plain.begin(), plain.end(), name), end; it != end; ++it) {
    result.append(end_of_last, plain.begin() + it->position());
    result += "%" + std::to_string(numbers.emplace(it->str(), numbers.size()).first->second);
    end_of_last = plain.begin() + it->position() + it->length();
  }
  return result.append(end_of_last, plain.end());
}

inline std::shared_ptr<torch::jit::Graph> parse(const std::string& text) {
  auto graph = std::make_shared<torch::jit::Graph>();
  torch::jit::parseIR(text, graph.get());
  return graph;
}

inline std::string text_of(const std::string& ir) { return text_of(parse(ir)); }

}  // namespace vqt
