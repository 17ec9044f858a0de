#include "eval/search/progressive.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <stdexcept>

#include "eval/compare/accuracy_limit.h"
#include "eval/compare/best_models.h"
#include "eval/search/module_groups.h"
#include "vqt/error.h"

namespace vqt {
namespace {
constexpr int kFloat = 32;
constexpr int64_t kPieceShare = 10;  // 1/10 of all bytes

struct State {
  std::vector<int> bits;  // of each group
  int64_t size_bytes = 0;
  std::vector<double> values;  // one per limit
};

// A group that holds the limits when it is changed alone.
struct Promising {
  size_t group, step;
  double cost_per_byte;  // share of the error budget used per byte saved
  State state;
};

class GreedySearch {
 public:
  GreedySearch(const std::vector<Limit>& limits, const ReferenceResult& reference, const TryTrial& try_trial)
      : try_trial_(try_trial) {
    found_.limits = limits;
    for (const Limit& limit : limits) {
      found_.bounds.push_back(bound_of(limit, reference));
      found_.references.push_back(value_of(limit.metric, reference));
    }
    state_.size_bytes = reference.cost.size_bytes;
    state_.values = found_.references;
  }

  Progressive run() {
    // The groups come from the layer table, and that from the first model.
    State all = attempt({}, "", 8, false);
    all.bits.assign(groups_.size(), 8);
    if (found_.steps.back().held) {
      accept(all, found_.steps.size() - 1);
    } else {
      state_.bits.assign(groups_.size(), kFloat);
      group_by_group(8);
    }
    if (std::count(state_.bits.begin(), state_.bits.end(), 8) > 0) {
      State next = lowered(state_, 4);
      next = attempt(next.bits, "", 4, false);
      if (found_.steps.back().held && next.size_bytes < state_.size_bytes) {
        accept(next, found_.steps.size() - 1);
      } else {
        group_by_group(4);
      }
    }
    return std::move(found_);
  }

 private:
  // Every group that is one level above `bits` goes to `bits`.
  static State lowered(State state, int bits) {
    for (int& b : state.bits) {
      if (b == above(bits)) b = bits;
    }
    return state;
  }
  static int above(int bits) { return bits == 8 ? kFloat : 8; }

  Trial trial(const std::vector<int>& bits, const std::string& name) const {
    const auto layers_of = [&](auto&& wanted) {
      std::vector<std::string> inside, outside = fixed_;
      for (size_t p = 0; p < bits.size(); ++p) {
        std::vector<std::string>& list = wanted(bits[p]) ? inside : outside;
        list.insert(list.end(), groups_[p].layers.begin(), groups_[p].layers.end());
      }
      return patterns_of(inside, outside);
    };
    return {name, layers_of([](int b) { return b == kFloat; }), layers_of([](int b) { return b == 4; })};
  }

  // Runs the next step and records whether it holds the limits.
  State attempt(const std::vector<int>& bits, const std::string& group, int to, bool alone) {
    ProgressiveStep step;
    const std::string scheme = fmt::format("{}int{}", group.empty() || alone ? "" : "+", to);
    step.model = fmt::format("{} {}{}{}", found_.steps.size() + 1, scheme, group.empty() ? "" : " ", group);
    const ModelResult& model = try_trial_(trial(bits, step.model));
    if (found_.steps.empty()) find_groups(model);
    step.group = group;
    step.bits = to;
    step.alone = alone;
    step.size_bytes = model.cost.size_bytes;
    step.psnr_db = value_of("psnr", model);
    step.held = true;
    for (size_t i = 0; i < found_.limits.size(); ++i) {
      step.values.push_back(value_of(found_.limits[i].metric, model));
      step.held = step.held && holds(found_.limits[i], found_.bounds[i], step.values[i]);
    }
    found_.steps.push_back(step);
    return {bits, step.size_bytes, step.values};
  }

  void accept(const State& state, size_t step) {
    state_ = state;
    found_.steps[step].taken = true;
    found_.last = trial(state.bits, found_.steps[step].model);
  }

  // From the layers that the base config stores in 8 bits; all others stay as they are.
  void find_groups(const ModelResult& model) {
    for (const Json& layer : model.sites) {
      const std::string name = layer.value("name", ""), scheme = layer.value("scheme", "");
      if (layer.value("action", "") != "quantized" || layer.value("kind", "linear") != "linear") continue;
      if (scheme.rfind("w8", 0) == 0) {
        sizes_.push_back({name, layer.value("bytes_before", int64_t{0})});
      } else {
        fixed_.push_back(name);
      }
    }
    if (sizes_.empty()) throw Error("--progressive: the base config quantizes no layer to 8 bits");
    found_.groups = groups_ = module_groups(sizes_);
    for (const LayerSize& size : sizes_) total_ += size.bytes;
  }

  double cost_per_byte(const State& next) const {
    double used = 0;
    for (size_t i = 0; i < found_.limits.size(); ++i)
      used =
          std::max(used, budget_used(found_.limits[i], found_.bounds[i], state_.values[i], next.values[i]));
    return used / static_cast<double>(state_.size_bytes - next.size_bytes);
  }

  // Adds a group to what was accepted. That all groups of the level together break the limits is known.
  void add(size_t group, int bits) {
    std::vector<int> next = state_.bits;
    next[group] = bits;
    if (std::count(next.begin(), next.end(), above(bits)) == 0) return;
    const State state = attempt(next, groups_[group].name, bits, false);
    if (found_.steps.back().held && state.size_bytes < state_.size_bytes)
      accept(state, found_.steps.size() - 1);
  }

  void group_by_group(int bits) {
    if (std::count(state_.bits.begin(), state_.bits.end(), above(bits)) > 1) {
      std::vector<Promising> promising;
      for (size_t p = 0; p < groups_.size(); ++p) {
        if (state_.bits[p] != above(bits)) continue;
        std::vector<int> next = state_.bits;
        next[p] = bits;
        const State state = attempt(next, groups_[p].name, bits, true);
        if (found_.steps.back().held && state.size_bytes < state_.size_bytes)
          promising.push_back({p, found_.steps.size() - 1, cost_per_byte(state), state});
      }
      std::stable_sort(promising.begin(), promising.end(), [](const Promising& a, const Promising& b) {
        return a.cost_per_byte != b.cost_per_byte ? a.cost_per_byte < b.cost_per_byte
                                                  : a.state.size_bytes < b.state.size_bytes;
      });
      for (const Promising& next : promising) {
        if (&next == &promising[0]) {
          accept(next.state, next.step);
        } else {
          add(next.group, bits);
        }
      }
    }
    piece_by_piece(bits);
  }

  // Splits once what was left out and is heavy.
  void piece_by_piece(int bits) {
    for (size_t p = 0; p < groups_.size(); ++p) {
      if (state_.bits[p] != above(bits) || kPieceShare * groups_[p].bytes < total_) continue;
      const std::vector<ModuleGroup> pieces = split_group(groups_[p], sizes_);
      if (pieces.empty()) continue;
      found_.groups.insert(found_.groups.end(), pieces.begin(), pieces.end());
      groups_.insert(groups_.erase(groups_.begin() + p), pieces.begin(), pieces.end());
      state_.bits.insert(state_.bits.begin() + p, pieces.size() - 1, above(bits));
      for (const size_t end = p + pieces.size(); p < end; ++p) add(p, bits);
      --p;
    }
  }

  const TryTrial& try_trial_;
  Progressive found_;
  State state_;                     // after the last step accepted; at first the float model
  std::vector<std::string> fixed_;  // layers that the base config does not store in 8 bits
  std::vector<LayerSize> sizes_;    // of those in 8 bits
  int64_t total_ = 0;
  std::vector<ModuleGroup> groups_;  // as they are now
};

}  // namespace

Progressive run_progressive(const std::vector<Limit>& limits, const ReferenceResult& reference,
                            const TryTrial& try_trial) {
  return GreedySearch(limits, reference, try_trial).run();
}

void check_reference_holds(const std::vector<Limit>& limits, const ReferenceResult& reference) {
  for (const Limit& limit : limits) {
    const double value = value_of(limit.metric, reference);
    if (std::isnan(value)) {
      throw Error(fmt::format(
          "--limit {}: the float model has no {} here; expected ground truth and outputs that give one",
          limit.text, title_of(limit.metric)));
    }
    if (!holds(limit, bound_of(limit, reference), value)) {
      throw Error(fmt::format("--limit {}: the float model itself has {} {}", limit.text,
                              title_of(limit.metric), value_text(limit.metric, value)));
    }
  }
}

}  // namespace vqt
