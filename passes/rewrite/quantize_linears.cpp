// For each site: pack the weight, add the packed buffer to the owner, rewrite the calls, drop the float
// weight.
#include "passes/rewrite/quantize_linears.h"

#include <fmt/format.h>
#include <torch/csrc/jit/ir/constants.h>
#include <torch/csrc/jit/passes/dead_code_elimination.h>

#include <map>
#include <set>

#include "passes/rewrite/weight_stats.h"
#include "passes/sites/packed_keys.h"
#include "vqt/conv_matrix.h"
#include "vqt/ops.h"

namespace vqt {
namespace {

using namespace torch::jit;

using Attribute = std::pair<int, std::string>;  // instance, name

class Rewriter {
 public:
  Rewriter(const ModelGraphs& model, SiteTable& table, const std::vector<PlannedSite>& plan)
      : model_(model), table_(table), plan_(plan) {
    std::set<Attribute> kept;
    for (size_t i = 0; i < plan.size(); ++i) {
      for (const SiteLeaf& leaf : table.sites[i].leaves) {
        if (plan[i].keep_float) {
          kept.emplace(leaf.owner, leaf.attribute);
        } else {
          ++readers_left_[{leaf.owner, leaf.attribute}];
        }
      }
    }
    for (size_t i = 0; i < plan.size(); ++i) {
      const Attribute own = {table.sites[i].owner, table.sites[i].attribute};
      if (!plan[i].keep_float && own.first >= 0 && !kept.count(own)) removed_.insert(own);
    }
  }

  void rewrite(size_t i, const at::Tensor& packed, const ActivationRange& range) {
    Site& site = table_.sites[i];
    const std::string buffer = site.owner < 0 ? "" : add_buffer(site, packed);
    const std::string op = integer_op(site, plan_[i].scheme);
    std::map<const Value*, Value*> packed_by_parameter;
    const auto packed_for = [&](Value* parameter) {
      Value*& value = packed_by_parameter[parameter];
      if (value == nullptr) {
        const WithInsertPoint guard(parameter->node());
        Graph& graph = *parameter->owningGraph();
        value = site.owner < 0 ? graph.insertConstant(packed)
                               : graph.insertGetAttr(parameter->node()->input(0), buffer);
      }
      return value;
    };
    for (const SiteCall& call : site.calls) {
      if (site.form) drop_output_padding(call.linear);
      rewrite_linear(call.linear, packed_for(call.parameter), op,
                     integer_arguments(site, plan_[i], range, call.rows));
      changed_methods_.insert(call.method);
    }
    for (const MetadataUse& use : site.metadata) {
      replace_metadata(site, use, packed_for(use.root));
      changed_methods_.insert(use.method);
    }
    site.calls.clear();
    site.metadata.clear();
    site.replaced_identity = site.leaves.at(0).identity;
    site.weight = at::Tensor();
    for (const SiteLeaf& leaf : site.leaves) {
      const Attribute attribute = {leaf.owner, leaf.attribute};
      if (--readers_left_.at(attribute) > 0 || !removed_.count(attribute)) continue;
      const Module& owner = model_.instances()[leaf.owner].module;
      owner._ivalue()->setSlot(owner.type()->getAttributeSlot(leaf.attribute), at::Tensor());
    }
  }

  // Adds a warning where methods had to go.
  void finish(std::vector<std::string>& warnings) {
    for (int method : changed_methods_) EliminateDeadCode(model_.methods()[method].graph);
    std::set<Attribute> read, gone;
    for (size_t i = 0; i < model_.methods().size(); ++i) {
      if (!table_.abandoned.count(static_cast<int>(i))) note_reads(model_.methods()[i], read);
    }
    for (const auto& [leaf, left] : readers_left_) {
      if (leaf.first >= 0 && left == 0 && !read.count(leaf)) gone.insert(leaf);
    }
    for (int method : table_.abandoned) remove_if_any_is_gone(model_.methods()[method], gone);
    for (const Attribute& leaf : gone) remove(leaf);
    if (removed_names_.empty()) return;
    warnings.push_back(fmt::format(
        "{}{}: removed: no method of the model calls {}, and the parameter read there is part of a packed weight",
        removed_names_[0],
        removed_names_.size() > 1 ? fmt::format(" and {} more methods", removed_names_.size() - 1) : "",
        removed_names_.size() > 1 ? "them" : "it"));
  }

 private:
  std::string add_buffer(const Site& site, const at::Tensor& packed) {
    Module owner = model_.instances()[site.owner].module;
    std::string name = site.label + "_q";
    while (owner.hasattr(name)) name += "_";
    owner.register_buffer(name, packed);
    return name;
  }

  // Replaces a use of the metadata of a weight that is gone: by the shape that it had, by the packed buffer
  // (which is moved between devices like the weight) or by another parameter of its owner (which is cast like
  // the weight).
  void replace_metadata(const Site& site, const MetadataUse& use, Value* packed) {
    Node* node = use.node;
    Graph& graph = *node->owningGraph();
    const WithInsertPoint guard(node);
    const std::string kind = node->kind().toQualString();
    Value* result = nullptr;
    const c10::IValue value = site.owner < 0 ? toIValue(use.root).value() : model_.attribute(use.root);
    const at::Tensor& parameter = value.toTensor();
    if (kind == "aten::size" && node->inputs().size() == 2) {
      result = graph.insertConstant(parameter.size(constant_as<int64_t>(node->input(1)).value()));
    } else if (kind == "aten::size") {
      result = graph.insertConstant(parameter.sizes().vec());
    } else if (kind == "aten::dim") {
      result = graph.insertConstant(parameter.dim());
    } else if (kind == "aten::len") {
      result = graph.insertConstant(parameter.size(0));
    } else if (kind == "aten::numel") {
      result = graph.insertConstant(parameter.numel());
    } else if (kind == "prim::requires_grad" || kind == "prim::is_nested" || kind == "aten::__is__") {
      result = graph.insertConstant(false);
    } else if (kind == "aten::is_floating_point" || kind == "aten::__isnot__") {
      result = graph.insertConstant(true);
    } else if (kind == "prim::dtype") {
      const std::string other = other_parameter(site, parameter.scalar_type());
      if (other.empty()) {
        result = graph.insertConstant(static_cast<int64_t>(parameter.scalar_type()));
      } else {
        node->replaceInput(0, graph.insertGetAttr(use.root->node()->input(0), other));
        return;
      }
    } else {  // prim::device, prim::is_cuda, prim::is_cpu
      node->replaceInput(0, packed);
      return;
    }
    node->output()->replaceAllUsesWith(result);
  }

  std::string other_parameter(const Site& site, at::ScalarType dtype) const {
    if (site.owner < 0) return "";
    const Module& owner = model_.instances()[site.owner].module;
    const c10::ClassTypePtr type = owner.type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const std::string name = type->getAttributeName(slot);
      const c10::IValue value = owner._ivalue()->getSlot(slot);
      if (!type->is_parameter(slot) || removed_.count({site.owner, name}) || !value.isTensor()) continue;
      if (type->getAttribute(slot)->kind() != c10::TypeKind::TensorType || !value.toTensor().defined())
        continue;
      if (value.toTensor().scalar_type() == dtype) return name;
    }
    return "";
  }

  // A method that nothing calls, and that reads a parameter which is part of a packed weight now.
  void remove_if_any_is_gone(const MethodGraph& method, const std::set<Attribute>& gone) {
    bool reads = false;
    for_each_node(method.graph->block(), [&](Node* node) {
      if (node->kind() != prim::GetAttr) return;
      reads = reads || gone.count({model_.instance_of(node->input(0)), node->s(attr::name)}) != 0;
    });
    if (!reads) return;
    model_.instances()[method.instance].module.type()->unsafeRemoveMethod(method.name);
    removed_names_.push_back(join_fqn(model_.instances()[method.instance].fqn, method.name));
  }

  void remove(const Attribute& attribute) const {
    const Module& owner = model_.instances()[attribute.first].module;
    const size_t slot = owner.type()->getAttributeSlot(attribute.second);
    owner.type()->unsafeRemoveAttribute(attribute.second);
    owner._ivalue()->unsafeRemoveSlot(slot);
  }

  // Throws where a method reads what has to be gone.
  void note_reads(const MethodGraph& method, std::set<Attribute>& read) const {
    for_each_node(method.graph->block(), [&](Node* node) {
      if (node->kind() != prim::GetAttr && node->kind() != prim::SetAttr) return;
      const Attribute attribute = {model_.instance_of(node->input(0)), node->s(attr::name)};
      read.insert(attribute);
      if (!removed_.count(attribute)) return;
      throw std::logic_error(fmt::format("vqt::quantize: {} still reads {} of {}; please report this model",
                                         model_.describe(method), attribute.second,
                                         model_.instances()[attribute.first].fqn));
    });
  }

  const ModelGraphs& model_;
  SiteTable& table_;
  const std::vector<PlannedSite>& plan_;
  std::map<Attribute, int> readers_left_;  // planned sites that are not rewritten yet
  std::set<Attribute> removed_;            // that nothing reads once all of them are
  std::set<int> changed_methods_;
  std::vector<std::string> removed_names_;
};

// The packed weights of one config, from the cache where it has them.
class PackedWeights {
 public:
  struct Weight : QuantizedWeight {
    bool reused = false;
  };

  PackedWeights(const PackedCache* cache, const SiteTable& table, const ParameterExpressions& expressions)
      : cache_(cache), expressions_(expressions) {
    if (cache_) later_ = packed_keys(table, cache_->later);
  }

  Weight of(const Site& site, const Scheme& scheme, const std::string& layout) const {
    const std::string key = packed_key(site, scheme, layout);
    const bool needed_later = later_.count(key) > 0;
    if (cache_) {
      if (auto known = cache_->load(key, needed_later)) return {*std::move(known), true};
    }
    const at::Tensor weight = site.computed.empty()
                                  ? site.weight
                                  : expressions_.evaluate(site.calls.at(0).root, site.weight.scalar_type());
    const Weight made = {quantize_weight(weight, site, scheme, layout), false};
    if (needed_later) cache_->save(key, made);
    return made;
  }

 private:
  const PackedCache* cache_;
  const ParameterExpressions& expressions_;
  std::set<std::string> later_;  // keys that later configs need
};

}  // namespace

QuantizedWeight quantize_weight(const at::Tensor& weight, const Scheme& scheme, const std::string& layout,
                                const std::string& site) {
  const at::Tensor w = weight.detach().to(at::kCPU, at::kFloat).contiguous();
  if (!all_finite(w)) {
    throw Error(fmt::format(
        "{}: the weight [{}, {}] has NaN or Inf: no scale can be computed (\"ignore\" keeps the layer in floating "
        "point)",
        site, w.size(0), w.size(1)));
  }
  const std::string granularity = to_string(scheme.granularity);
  const auto [scale, zero] = choose_qparams(w, scheme.bits, scheme.symmetric, granularity, scheme.group_size);
  const at::Tensor q =
      quantize_tensor(w, scale, zero, scheme.bits, scheme.symmetric, granularity, scheme.group_size);
  const at::Tensor back = dequantize_tensor(q, scale, zero, scheme.bits, scheme.symmetric, granularity,
                                            scheme.group_size, w.size(1), at::kFloat);
  const at::Tensor packed = pack_weight(q, scale, zero, scheme.bits, scheme.symmetric, granularity,
                                        scheme.group_size, w.size(1), layout);
  set_source_bytes(packed, static_cast<int64_t>(weight.element_size()));
  return {packed, sqnr_db(w, back)};
}

std::string linear_op(const Scheme& scheme) { return fmt::format("vqt::linear_int{}", scheme.bits); }

std::vector<std::pair<std::string, c10::IValue>> linear_arguments(const PlannedSite& plan,
                                                                  const ActivationRange& range,
                                                                  const RowRange& rows, int64_t n) {
  std::vector<std::pair<std::string, c10::IValue>> arguments;
  if (plan.scheme.bits != 16) {
    arguments.emplace_back("activation", std::string(to_string(plan.activation)));
    if (plan.activation != ActivationMode::kNone)
      arguments.emplace_back("activation_symmetric", plan.activation_symmetric);
    if (plan.activation == ActivationMode::kStatic) {
      arguments.emplace_back("x_scale", range.scale);
      arguments.emplace_back("x_zero_point", range.zero_point);
    }
  }
  if (rows.begin != 0 || rows.end != n) {
    arguments.emplace_back("row_begin", rows.begin);
    arguments.emplace_back("row_end", rows.end);
  }
  return arguments;
}

QuantizedWeight quantize_weight(const at::Tensor& weight, const Site& site, const Scheme& scheme,
                                const std::string& layout) {
  if (!site.form) return quantize_weight(weight, scheme, layout, site.info.name);
  const QuantizedWeight q =
      quantize_weight(conv_matrix(weight.detach().to(at::kCPU), *site.form), scheme, layout, site.info.name);
  set_source_bytes(q.packed, static_cast<int64_t>(weight.element_size()));
  return q;
}

std::string integer_op(const Site& site, const Scheme& scheme) {
  if (!site.form) return linear_op(scheme);
  return *site.form == ConvForm::kTransposed ? "vqt::conv_transpose2d_int8" : "vqt::conv2d_int8";
}

std::vector<std::pair<std::string, c10::IValue>> integer_arguments(const Site& site, const PlannedSite& plan,
                                                                   const ActivationRange& range,
                                                                   const RowRange& rows) {
  if (!site.form) return linear_arguments(plan, range, rows, site.info.n);
  const ConvShape& shape = *site.convolution;
  const auto pair = [](const std::array<int64_t, 2>& values) {
    return std::vector<int64_t>(values.begin(), values.end());
  };
  std::vector<std::pair<std::string, c10::IValue>> arguments = {{"out_channels", shape.out_channels},
                                                                {"kernel_size", pair(shape.kernel)}};
  if (shape.transposed) return arguments;  // the stride is the kernel, without padding
  arguments.emplace_back("form", std::string(to_string(*site.form)));
  arguments.emplace_back("stride", pair(shape.stride));
  arguments.emplace_back("padding", pair(shape.padding));
  return arguments;
}

Node* rewrite_linear(Node* linear, Value* packed, const std::string& op,
                     const std::vector<std::pair<std::string, c10::IValue>>& arguments) {
  Graph& graph = *linear->owningGraph();
  const WithInsertPoint guard(linear);
  std::vector<NamedValue> kwargs;
  for (const auto& [name, value] : arguments) kwargs.emplace_back(name, value);
  Value* result = graph.insert(Symbol::fromQualString(op), {linear->input(0), packed, linear->input(2)},
                               kwargs, linear->sourceRange());
  result->copyMetadata(linear->output());
  linear->output()->replaceAllUsesWith(result);
  linear->destroy();
  return result->node();
}

bool cut_planned_fast_paths(const ModelGraphs& model, const SiteTable& table,
                            const std::vector<PlannedSite>& plan,
                            const std::vector<AttentionSite>& attention) {
  std::set<int> needed;
  std::vector<int> rewritten;  // instances whose methods hold a linear that will be rewritten
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].keep_float) continue;
    needed.insert(table.sites[i].fast_paths.begin(), table.sites[i].fast_paths.end());
    for (const SiteCall& call : table.sites[i].calls)
      rewritten.push_back(model.methods()[call.method].instance);
  }
  std::vector<int> attending;  // instances whose methods hold an attention that will be rewritten
  for (const AttentionSite& site : attention) {
    if (site.problem.empty()) attending.push_back(model.methods()[site.method].instance);
  }
  rewritten.insert(rewritten.end(), attending.begin(), attending.end());
  std::vector<FastPath> paths;
  for (size_t i = 0; i < table.fast_paths.size(); ++i) {
    const FastPath& path = table.fast_paths[i];
    // Layers without their fast path cannot read the nested tensor that an encoder makes for it.
    const bool nested =
        path.makes_nested_tensor && model.contains_any(model.methods()[path.method].instance, rewritten);
    const bool attends = model.contains_any(model.methods()[path.method].instance, attending);
    if (nested || attends || needed.count(static_cast<int>(i))) paths.push_back(path);
  }
  cut_fast_paths(model, paths);
  return !paths.empty();
}

void quantize_linears(const ModelGraphs& model, SiteTable& table, const std::vector<PlannedSite>& plan,
                      const std::vector<ActivationRange>& ranges, const std::string& layout,
                      const QuantizeOptions& options, Report& report) {
  TORCH_INTERNAL_ASSERT(plan.size() == table.sites.size(), "cutting fast paths changed the sites");
  const ConstantValues constants(model);
  const ParameterExpressions expressions(model, constants);
  Rewriter rewriter(model, table, plan);
  PackedWeights weights(options.packed, table, expressions);
  std::map<int64_t, PackedWeights::Weight> tied;  // one packed tensor for all of them
  int64_t total = 0, done = 0;
  for (const PlannedSite& p : plan) total += p.keep_float ? 0 : 1;
  for (size_t i = 0; i < plan.size(); ++i) {
    if (plan[i].keep_float) continue;
    const Site& site = table.sites[i];
    const auto known = tied.find(site.info.tied);
    const PackedWeights::Weight q =
        known != tied.end() ? known->second : weights.of(site, plan[i].scheme, layout);
    if (site.info.tied >= 0) tied.emplace(site.info.tied, q);
    report.sites_reused += q.reused;
    report.sites[i].bytes_after = static_cast<int64_t>(q.packed.nbytes());
    report.sites[i].weight_sqnr_db = q.sqnr_db;
    rewriter.rewrite(i, q.packed, ranges[i]);
    if (options.progress) options.progress("quantizing", ++done, total);
  }
  rewriter.finish(report.warnings);
}

void note_left_weights(const ModelGraphs& model, const SiteTable& table, std::vector<std::string>& warnings) {
  std::map<std::string, std::string> replaced;  // identity of a replaced float weight: its site
  for (const Site& site : table.sites) {
    if (!site.replaced_identity.empty()) replaced.emplace(site.replaced_identity, site.info.name);
  }
  for (const Instance& instance : model.instances()) {
    const c10::ClassTypePtr type = instance.module.type();
    for (size_t slot = 0; slot < type->numAttributes(); ++slot) {
      const c10::IValue value = instance.module._ivalue()->getSlot(slot);
      if (!value.isTensor() || !value.toTensor().defined()) continue;
      const auto found = replaced.find(tensor_identity(value.toTensor()));
      if (found == replaced.end()) continue;
      warnings.push_back(
          fmt::format("{}: has the float weight of {} and no method reads it; it stays in the file",
                      join_fqn(instance.fqn, type->getAttributeName(slot)), found->second));
    }
  }
}

}  // namespace vqt
