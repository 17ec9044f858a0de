#include "eval/compare/best_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>

#include "eval/results/number_text.h"

namespace vqt {

const std::pair<std::string, Metrics>* worst_output(const ModelResult& m) {
  const std::pair<std::string, Metrics>* worst = nullptr;
  for (const auto& output : m.outputs) {
    if (output.second.psnr_db && (!worst || *output.second.psnr_db < *worst->second.psnr_db)) worst = &output;
  }
  return worst;
}

namespace {
using Models = std::vector<const ModelResult*>;
using Value = std::function<double(const ModelResult&)>;  // more is better

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr size_t kNamedBesides = 4;  // models named beside the best
constexpr double kMostDb = 150;      // stands for equal outputs where models are scaled against each other

bool all_equal(const ModelResult& m) {
  return std::all_of(m.outputs.begin(), m.outputs.end(), [](const auto& o) { return o.second.equal; });
}

std::optional<double> truth_score(const std::optional<TruthScores>& scores, const std::string& group,
                                  const std::string& key) {
  for (size_t i = 0; scores && i < kTruthMetrics.size(); ++i) {
    if (kTruthMetrics[i].group == group && kTruthMetrics[i].key == key) return scores->metrics[i].value;
  }
  return {};
}

// "3.08x smaller", or how much larger where it is no gain.
std::string gain(double of, double to, const char* better, const char* worse) {
  return of >= to ? fmt::format("{:.2f}x {} than the float model", of / to, better)
                  : fmt::format("{:.2f}x {} than the float model", to / of, worse);
}

const ModelResult& best_of(const Models& models, const Value& value) {
  return **std::max_element(models.begin(), models.end(), [&](const ModelResult* a, const ModelResult* b) {
    return value(*a) < value(*b);
  });
}

// "; a, b are within 3 %" where others are as good as the best.
std::string others(const Models& models, const ModelResult& best, const Value& value, double margin,
                   const std::string& words) {
  std::vector<std::string> names;
  for (const ModelResult* m : models) {
    if (m == &best) continue;
    if (value(*m) == value(best) || value(best) - value(*m) <= margin) names.push_back(m->name);
  }
  if (names.empty()) return {};
  std::string list = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + std::min(kNamedBesides, names.size()), ", "));
  if (names.size() > kNamedBesides) list += fmt::format(" and {} more", names.size() - kNamedBesides);
  return fmt::format("; {} {} {}", list, names.size() == 1 ? "is" : "are", words);
}

struct Goal {
  const char* name;
  Value value;
  double margin;  // a spread below it is no difference
};

std::optional<BestModel> balance(const Models& models, const std::vector<Goal>& goals) {
  std::vector<std::vector<double>> scores(models.size());  // [model][goal], 0 to 100
  std::vector<const char*> names;
  for (const Goal& goal : goals) {
    std::vector<double> values;
    for (const ModelResult* m : models) values.push_back(goal.value(*m));
    const auto [low, high] = std::minmax_element(values.begin(), values.end());
    if (*high - *low <= goal.margin) continue;
    names.push_back(goal.name);
    for (size_t i = 0; i < models.size(); ++i) scores[i].push_back(100 * (values[i] - *low) / (*high - *low));
  }
  if (names.empty()) return {};
  const auto rank = [](const std::vector<double>& s) {
    return std::pair(*std::min_element(s.begin(), s.end()), std::accumulate(s.begin(), s.end(), 0.0));
  };
  const size_t best = std::max_element(scores.begin(), scores.end(),
                                       [&](const auto& a, const auto& b) { return rank(a) < rank(b); }) -
                      scores.begin();
  std::vector<std::string> parts;
  for (size_t g = 0; g < names.size(); ++g)
    parts.push_back(fmt::format("{} {:.0f}", names[g], scores[best][g]));
  return BestModel{
      "balance", models[best]->name,
      fmt::format("recommended if all goals count alike: {} (100: the best of these models, 0: the worst)",
                  fmt::join(parts, ", "))};
}

}  // namespace

bool is_finite(const ModelResult& m) {
  return std::all_of(m.outputs.begin(), m.outputs.end(),
                     [](const auto& o) { return o.second.nonfinite <= o.second.nonfinite_in_reference; });
}

double lowest_psnr(const ModelResult& m) {
  if (const auto* worst = worst_output(m)) return *worst->second.psnr_db;
  return all_equal(m) ? kInfinity : -kInfinity;
}

double size_value(const ModelResult& m) { return -std::log(std::max<double>(1, m.cost.size_bytes)); }

double speed_value(const ModelResult& m) { return -std::log(std::max(1e-6, m.cost.ms_per_image)); }

Models ranking_candidates(const EvalReport& r) {
  Models finite, all;
  for (const ModelResult& m : r.models) {
    all.push_back(&m);
    if (is_finite(m)) finite.push_back(&m);
  }
  return finite.empty() ? all : finite;
}

std::vector<BestModel> best_models(const EvalReport& r) {
  if (r.models.size() < 2) return {};
  const Models models = ranking_candidates(r);
  std::vector<BestModel> list;
  const Value accuracy = lowest_psnr;
  if (const ModelResult& m = best_of(models, accuracy); lowest_psnr(m) > -kInfinity) {
    const auto* worst = worst_output(m);
    list.push_back(
        {"accuracy", m.name,
         (worst ? fmt::format("lowest PSNR {:.1f} dB (output {})", *worst->second.psnr_db, worst->first)
                : std::string("all outputs equal the float model's")) +
             others(models, m, accuracy, 0.5, worst ? "within 0.5 dB" : "too")});
  }
  const Value size = size_value;
  const ModelResult& smallest = best_of(models, size);
  list.push_back(
      {"size", smallest.name,
       fmt::format("{} MB, {}", megabytes(smallest.cost.size_bytes),
                   gain(r.reference.cost.size_bytes, smallest.cost.size_bytes, "smaller", "larger")) +
           others(models, smallest, size, kSizeMargin, "within 1 %")});
  const Value speed = speed_value;
  const ModelResult& fastest = best_of(models, speed);
  list.push_back(
      {"speed", fastest.name,
       fmt::format("{} ms per image, {}", milliseconds(fastest.cost.ms_per_image),
                   gain(r.reference.cost.ms_per_image, fastest.cost.ms_per_image, "faster", "slower")) +
           others(models, fastest, speed, kTimeMargin, "within 3 %")});
  const Value decibels = [](const ModelResult& m) { return std::clamp(lowest_psnr(m), 0.0, kMostDb); };
  if (const auto balanced = balance(
          models, {{"accuracy", decibels, 0.5}, {"size", size, kSizeMargin}, {"speed", speed, kTimeMargin}}))
    list.push_back(*balanced);
  const auto by_truth = [&](const char* goal, const char* group, const char* key, double sign,
                            const char* text) {
    Models scored;
    for (const ModelResult* m : models) {
      if (truth_score(m->truth, group, key)) scored.push_back(m);
    }
    if (scored.size() < 2) return;
    const Value value = [&](const ModelResult& m) { return sign * *truth_score(m.truth, group, key); };
    const ModelResult& best = best_of(scored, value);
    std::string why = fmt::format(fmt::runtime(text), *truth_score(best.truth, group, key));
    if (const auto base = truth_score(r.reference.truth, group, key))
      why += fmt::format("; the float model: {}", fmt::format(fmt::runtime(text), *base));
    list.push_back({goal, best.name, why});
  };
  by_truth("poses", "pose", "auc_30", 1, "AUC@30 {:.1f} %");
  by_truth("depth", "depth", "abs_rel", -1, "AbsRel {:.4f}");
  return list;
}

}  // namespace vqt
