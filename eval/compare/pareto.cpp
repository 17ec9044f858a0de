#include "eval/compare/pareto.h"

#include <algorithm>
#include <numeric>

#include "eval/compare/best_models.h"
#include "eval/compare/recommendation.h"

namespace vqt {
namespace {

bool beats(const ModelResult& a, const ModelResult& b) {
  const double size = size_value(a) - size_value(b), speed = speed_value(a) - speed_value(b);
  const double psnr_a = lowest_psnr(a), psnr_b = lowest_psnr(b);  // may be infinite: no difference of them
  if (size < -kSizeMargin || speed < -kTimeMargin || psnr_a < psnr_b) return false;
  return size > kSizeMargin || speed > kTimeMargin || psnr_a > psnr_b;
}

}  // namespace

std::vector<bool> pareto_front(const EvalReport& report) {
  const std::vector<const ModelResult*> rivals = ranking_candidates(report);
  std::vector<bool> front;
  for (const ModelResult& m : report.models) {
    const bool contends = std::find(rivals.begin(), rivals.end(), &m) != rivals.end();
    front.push_back(contends && std::none_of(rivals.begin(), rivals.end(),
                                             [&](const ModelResult* other) { return beats(*other, m); }));
  }
  return front;
}

std::vector<std::string> highlighted(const EvalReport& report, size_t most) {
  const std::vector<bool> front = pareto_front(report);
  std::vector<std::string> best;
  if (const auto taken = recommendation(report)) best.push_back(taken->model);
  for (const BestModel& w : best_models(report)) best.push_back(w.model);
  const auto rank = [&](size_t i) {
    const bool wins = std::find(best.begin(), best.end(), report.models[i].name) != best.end();
    return wins ? 0 : front[i] ? 1 : 2;
  };
  std::vector<size_t> order(report.models.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return rank(a) < rank(b); });
  order.resize(std::min(most, order.size()));
  std::sort(order.begin(), order.end());
  std::vector<std::string> names;
  for (const size_t i : order) names.push_back(report.models[i].name);
  return names;
}

}  // namespace vqt
