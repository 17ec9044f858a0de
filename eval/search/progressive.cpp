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

namespace vqt {
namespace {
constexpr int kFloat = 32;
constexpr int64_t kPieceShare = 10;  // a tenth of all bytes

struct State {
  std::vector<int> bits;  // of each part
  int64_t size_bytes = 0;
  std::vector<double> values;  // one a limit
};

// A part that holds the limits alone.
struct Promising {
  size_t part, step;
  double price;  // share of the room used for a byte saved
  State state;
};

class Climb {
 public:
  Climb(const std::vector<Limit>& limits, const ReferenceResult& reference, const TryTrial& try_trial)
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
    // The parts are known from the table of sites, and that from the first model.
    State all = attempt({}, "", 8, false);
    all.bits.assign(parts_.size(), 8);
    if (found_.steps.back().held) {
      take(all, found_.steps.size() - 1);
    } else {
      state_.bits.assign(parts_.size(), kFloat);
      part_by_part(8);
    }
    if (std::count(state_.bits.begin(), state_.bits.end(), 8) > 0) {
      State next = raised(state_, 4);
      next = attempt(next.bits, "", 4, false);
      if (found_.steps.back().held && next.size_bytes < state_.size_bytes) {
        take(next, found_.steps.size() - 1);
      } else {
        part_by_part(4);
      }
    }
    return std::move(found_);
  }

 private:
  // Every part that is a level above goes to `bits`.
  static State raised(State state, int bits) {
    for (int& b : state.bits) {
      if (b == above(bits)) b = bits;
    }
    return state;
  }
  static int above(int bits) { return bits == 8 ? kFloat : 8; }

  Trial trial(const std::vector<int>& bits, const std::string& name) const {
    const auto sites_of = [&](auto&& wanted) {
      std::vector<std::string> inside, outside = fixed_;
      for (size_t p = 0; p < bits.size(); ++p) {
        std::vector<std::string>& list = wanted(bits[p]) ? inside : outside;
        list.insert(list.end(), parts_[p].sites.begin(), parts_[p].sites.end());
      }
      return patterns_of(inside, outside);
    };
    return {name, sites_of([](int b) { return b == kFloat; }), sites_of([](int b) { return b == 4; })};
  }

  // The next step: runs it and says whether it holds.
  State attempt(const std::vector<int>& bits, const std::string& part, int to, bool alone) {
    ProgressiveStep step;
    const std::string scheme = fmt::format("{}int{}", part.empty() || alone ? "" : "+", to);
    step.model = fmt::format("{} {}{}{}", found_.steps.size() + 1, scheme, part.empty() ? "" : " ", part);
    const ModelResult& model = try_trial_(trial(bits, step.model));
    if (found_.steps.empty()) find_parts(model);
    step.part = part;
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

  void take(const State& state, size_t step) {
    state_ = state;
    found_.steps[step].taken = true;
    found_.last = trial(state.bits, found_.steps[step].model);
  }

  // Sites that the base config stores in 8 bits; all others stay what they are.
  void find_parts(const ModelResult& model) {
    for (const Json& site : model.sites) {
      const std::string name = site.value("name", ""), scheme = site.value("scheme", "");
      if (site.value("action", "") != "quantized") continue;
      if (scheme.rfind("w8", 0) == 0) {
        sizes_.push_back({name, site.value("bytes_before", int64_t{0})});
      } else {
        fixed_.push_back(name);
      }
    }
    if (sizes_.empty()) throw std::runtime_error("--progressive: the base config stores no site in 8 bits");
    found_.parts = parts_ = parts_of(sizes_);
    for (const SiteSize& size : sizes_) total_ += size.bytes;
  }

  double price(const State& next) const {
    double used = 0;
    for (size_t i = 0; i < found_.limits.size(); ++i)
      used = std::max(used, room_used(found_.limits[i], found_.bounds[i], state_.values[i], next.values[i]));
    return used / static_cast<double>(state_.size_bytes - next.size_bytes);
  }

  // On top of what was taken. Whether all of the level hold is known: they do not.
  void add(size_t part, int bits) {
    std::vector<int> next = state_.bits;
    next[part] = bits;
    if (std::count(next.begin(), next.end(), above(bits)) == 0) return;
    const State state = attempt(next, parts_[part].name, bits, false);
    if (found_.steps.back().held && state.size_bytes < state_.size_bytes)
      take(state, found_.steps.size() - 1);
  }

  void part_by_part(int bits) {
    if (std::count(state_.bits.begin(), state_.bits.end(), above(bits)) > 1) {
      std::vector<Promising> promising;
      for (size_t p = 0; p < parts_.size(); ++p) {
        if (state_.bits[p] != above(bits)) continue;
        std::vector<int> next = state_.bits;
        next[p] = bits;
        const State state = attempt(next, parts_[p].name, bits, true);
        if (found_.steps.back().held && state.size_bytes < state_.size_bytes)
          promising.push_back({p, found_.steps.size() - 1, price(state), state});
      }
      std::stable_sort(promising.begin(), promising.end(), [](const Promising& a, const Promising& b) {
        return a.price != b.price ? a.price < b.price : a.state.size_bytes < b.state.size_bytes;
      });
      for (const Promising& next : promising) {
        if (&next == &promising[0]) {
          take(next.state, next.step);
        } else {
          add(next.part, bits);
        }
      }
    }
    piece_by_piece(bits);
  }

  // What was left out and is heavy, split once.
  void piece_by_piece(int bits) {
    for (size_t p = 0; p < parts_.size(); ++p) {
      if (state_.bits[p] != above(bits) || kPieceShare * parts_[p].bytes < total_) continue;
      const std::vector<Part> pieces = pieces_of(parts_[p], sizes_);
      if (pieces.empty()) continue;
      found_.parts.insert(found_.parts.end(), pieces.begin(), pieces.end());
      parts_.insert(parts_.erase(parts_.begin() + p), pieces.begin(), pieces.end());
      state_.bits.insert(state_.bits.begin() + p, pieces.size() - 1, above(bits));
      for (const size_t end = p + pieces.size(); p < end; ++p) add(p, bits);
      --p;
    }
  }

  const TryTrial& try_trial_;
  Progressive found_;
  State state_;                     // what the last step taken left; at first the float model
  std::vector<std::string> fixed_;  // sites that the base config stores in other than 8 bits
  std::vector<SiteSize> sizes_;     // of those in 8 bits
  int64_t total_ = 0;
  std::vector<Part> parts_;  // as they are now
};

}  // namespace

Progressive go_progressive(const std::vector<Limit>& limits, const ReferenceResult& reference,
                           const TryTrial& try_trial) {
  return Climb(limits, reference, try_trial).run();
}

void check_reference_holds(const std::vector<Limit>& limits, const ReferenceResult& reference) {
  for (const Limit& limit : limits) {
    const double value = value_of(limit.metric, reference);
    if (std::isnan(value)) {
      throw std::runtime_error(fmt::format(
          "--limit {}: the float model has no {} here; expected ground truth and outputs that give one",
          limit.text, title_of(limit.metric)));
    }
    if (!holds(limit, bound_of(limit, reference), value)) {
      throw std::runtime_error(fmt::format("--limit {}: the float model itself has {} {}", limit.text,
                                           title_of(limit.metric), value_text(limit.metric, value)));
    }
  }
}

}  // namespace vqt
