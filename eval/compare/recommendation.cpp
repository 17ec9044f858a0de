#include "eval/compare/recommendation.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "eval/compare/best_models.h"
#include "eval/compare/truth_changes.h"

namespace vqt {
namespace {

constexpr const char* kTryMoreBits =
    "try more bits (--preset int16) or fewer layers (--progressive --limit psnr=35)";

bool has(const std::vector<std::string>& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

double times_smaller(const EvalReport& r, const ModelResult& m) {
  return std::exp(size_value(m) + std::log(std::max<double>(1, r.reference.cost.size_bytes)));
}

std::string worst_text(const ModelResult& m) {
  const auto* worst = worst_output(m);
  return worst ? fmt::format("worst output {:.1f} dB ({})", *worst->second.psnr_db, worst->first)
               : "all outputs equal";
}

// What speaks against a model, and what to try; empty: nothing.
std::string objection(const EvalReport& r, const ModelResult& m, const std::vector<TruthChange>& changes) {
  if (!is_finite(m))
    return fmt::format("returns NaN or Inf where the float model does not; {}", kTryMoreBits);
  if (lowest_psnr(m) < kLeastDb)
    return worst_output(m) ? fmt::format("{}, less than {:.0f} dB; {}", worst_text(m), kLeastDb, kTryMoreBits)
                           : fmt::format("no output has a PSNR; {}", kTryMoreBits);
  for (const TruthChange& change : changes) {
    if (has(change.worse, m.name)) return fmt::format("{} worse; {}", change.goal, kTryMoreBits);
  }
  if (times_smaller(r, m) < 1 + kSizeMargin)
    return "not smaller than the float model; its layer table says which layers were kept, and why";
  if (slower(m.cost, r.reference.cost))
    return fmt::format(
        "{:.2f}x slower than the float model here; vqt-quantize --speed-guard keeps the layers in "
        "FP32 that are slower",
        m.cost.ms_per_image / r.reference.cost.ms_per_image);
  return "";
}

// ", no significant change of poses or depth"
std::string truth_text(const ModelResult& m, const std::vector<TruthChange>& changes) {
  if (!m.truth) return "";
  std::vector<std::string> same;
  std::string text;
  for (const TruthChange& change : changes) {
    if (has(change.better, m.name))
      text += fmt::format(", {} better", change.goal);
    else
      same.push_back(change.goal);
  }
  if (same.empty()) return text;
  if (m.truth->pictures < kLeastToTell)
    return text + fmt::format(", too few images to tell a change of {}", fmt::join(same, " or "));
  return text + fmt::format(", no significant change of {}", fmt::join(same, " or "));
}

std::string gains(const EvalReport& r, const ModelResult& m, const std::vector<TruthChange>& changes) {
  const bool faster = slower(r.reference.cost, m.cost);
  return fmt::format(
      "{:.2f}x smaller, {}, {}{}", times_smaller(r, m),
      faster ? fmt::format("{:.2f}x faster", r.reference.cost.ms_per_image / m.cost.ms_per_image) : "as fast",
      worst_text(m), truth_text(m, changes));
}

}  // namespace

std::optional<Recommendation> recommendation(const EvalReport& r) {
  if (r.models.empty() || r.progressive) return {};
  const std::vector<TruthChange> changes = truth_changes(r);
  std::vector<const ModelResult*> good;
  for (const ModelResult& m : r.models) {
    if (objection(r, m, changes).empty()) good.push_back(&m);
  }
  const auto less_accurate = [](const ModelResult* a, const ModelResult* b) {
    return lowest_psnr(*a) < lowest_psnr(*b);
  };
  if (good.empty()) {
    std::vector<const ModelResult*> all = ranking_candidates(r);
    const ModelResult& closest = **std::max_element(all.begin(), all.end(), less_accurate);
    return Recommendation{"", fmt::format("no model to take; the closest to float, `{}`: {}", closest.name,
                                          objection(r, closest, changes))};
  }
  const ModelResult& smallest = **std::max_element(
      good.begin(), good.end(), [](const auto* a, const auto* b) { return size_value(*a) < size_value(*b); });
  good.erase(std::remove_if(good.begin(), good.end(),
                            [&](const ModelResult* m) {
                              return size_value(smallest) - size_value(*m) > std::log(1 + kAsSmall);
                            }),
             good.end());
  const double psnr = lowest_psnr(**std::max_element(good.begin(), good.end(), less_accurate));
  good.erase(std::remove_if(good.begin(), good.end(),
                            [&](const ModelResult* m) { return lowest_psnr(*m) < psnr - kDbMargin; }),
             good.end());
  const ModelResult& best = **std::min_element(good.begin(), good.end(), [](const auto* a, const auto* b) {
    return a->cost.ms_per_image < b->cost.ms_per_image;
  });
  return Recommendation{best.name, gains(r, best, changes)};
}

}  // namespace vqt
