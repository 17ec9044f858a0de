#include "eval/compare/truth_changes.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

namespace vqt {
namespace {

constexpr size_t kNamed = 4;  // models in a list of those that changed

struct Goal {
  const char *name, *group, *key;
  int digits;
};
constexpr Goal kTruthGoals[] = {{"poses", "pose", "auc_30", 1}, {"depth", "depth", "abs_rel", 4}};

size_t index_of(const Goal& goal) {
  const auto found = std::find_if(kTruthMetrics.begin(), kTruthMetrics.end(), [&](const TruthMetric& m) {
    return m.group == std::string(goal.group) && m.key == std::string(goal.key);
  });
  return static_cast<size_t>(found - kTruthMetrics.begin());
}

std::string count(int64_t n, const char* word) { return fmt::format("{} {}{}", n, word, n == 1 ? "" : "s"); }

// "AUC@30 55.0 % (float model 61.1 %, 95 % of the difference: -9.3 to -2.1)"
std::string in_numbers(const TruthMetric& metric, const TruthScore& s, int digits) {
  const std::string unit = *metric.unit ? fmt::format(" {}", metric.unit) : "";
  return fmt::format(
      "{0} {2:.{1}f}{6} (float model {3:.{1}f}{6}, 95 % of the difference: {4:+.{1}f} to {5:+.{1}f})",
      metric.title, digits, *s.value, *s.value - *s.difference, s.difference_interval->low,
      s.difference_interval->high, unit);
}

std::string listed(const std::vector<std::string>& texts) {
  const size_t named = std::min(kNamed, texts.size());
  std::string list = fmt::format("{}", fmt::join(texts.begin(), texts.begin() + named, ", "));
  return texts.size() > named ? fmt::format("{} and {} more", list, texts.size() - named) : list;
}

// What the scores rest on: "6 pairs", "24 images".
std::string basis(const Goal& goal, const TruthScores& scores) {
  return std::string(goal.name) == "poses" ? count(scores.pairs, "pair") : count(scores.pictures, "image");
}

}  // namespace

std::vector<TruthChange> truth_changes(const EvalReport& report) {
  std::vector<TruthChange> changes;
  for (const Goal& goal : kTruthGoals) {
    const size_t m = index_of(goal);
    const TruthMetric& metric = kTruthMetrics[m];
    TruthChange change{goal.name, {}, {}, ""};
    std::vector<std::string> better, worse;
    const TruthScores* scored = nullptr;
    for (const ModelResult& model : report.models) {
      if (!model.truth || !model.truth->metrics[m].value) continue;
      const TruthScore& s = model.truth->metrics[m];
      if (!scored) scored = &*model.truth;
      if (!s.significant) continue;
      const bool gains = (*s.difference > 0) == metric.more_is_better;
      (gains ? change.better : change.worse).push_back(model.name);
      (gains ? better : worse).push_back(model.name + ": " + in_numbers(metric, s, goal.digits));
    }
    if (!scored) continue;
    if (worse.empty() && better.empty()) {
      change.why = fmt::format("no significant difference ({})", basis(goal, *scored));
      if (scored->pictures < kLeastToTell)
        change.why += fmt::format("; {} are too few to find one, {} are the least",
                                  count(scored->pictures, "image"), kLeastToTell);
    } else {
      if (!worse.empty()) change.why = "worse: " + listed(worse);
      if (!better.empty()) change.why += (worse.empty() ? "better: " : "; better: ") + listed(better);
      if (better.size() + worse.size() < report.models.size())
        change.why += fmt::format("; others: no significant difference ({})", basis(goal, *scored));
    }
    changes.push_back(std::move(change));
  }
  return changes;
}

}  // namespace vqt
