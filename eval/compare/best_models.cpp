#include "eval/compare/best_models.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "loader/cli/units.h"

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

// Of the timed runs of the scene; of the median where they are not known.
std::pair<double, double> time_range(const Cost& cost) {
  if (cost.all_ms.empty()) return {cost.ms_per_image, cost.ms_per_image};
  const auto [least, most] = std::minmax_element(cost.all_ms.begin(), cost.all_ms.end());
  return {*least, *most};
}

bool all_equal(const ModelResult& m) {
  return std::all_of(m.outputs.begin(), m.outputs.end(), [](const auto& o) { return o.second.equal; });
}

// "3.08x smaller", or how much larger where it is no gain.
std::string size_gain(double of, double to) {
  return of >= to ? fmt::format("{:.2f}x smaller than the float model", of / to)
                  : fmt::format("{:.2f}x larger than the float model", to / of);
}

std::string speed_gain(const Cost& of, const Cost& to) {
  if (slower(of, to))
    return fmt::format("{:.2f}x faster than the float model", of.ms_per_image / to.ms_per_image);
  if (slower(to, of))
    return fmt::format("{:.2f}x slower than the float model", to.ms_per_image / of.ms_per_image);
  return "as fast as the float model within the spread of the runs";
}

const ModelResult& best_of(const Models& models, const Value& value) {
  return **std::max_element(models.begin(), models.end(), [&](const ModelResult* a, const ModelResult* b) {
    return value(*a) < value(*b);
  });
}

// "; a, b are within 1 %" where others are as good as the best.
std::string others(const Models& models, const ModelResult& best,
                   const std::function<bool(const ModelResult&)>& as_good, const std::string& words) {
  std::vector<std::string> names;
  for (const ModelResult* m : models) {
    if (m != &best && as_good(*m)) names.push_back(m->name);
  }
  if (names.empty()) return {};
  std::string list = fmt::format(
      "{}", fmt::join(names.begin(), names.begin() + std::min(kNamedBesides, names.size()), ", "));
  if (names.size() > kNamedBesides) list += fmt::format(" and {} more", names.size() - kNamedBesides);
  return fmt::format("; {} {} {}", list, names.size() == 1 ? "is" : "are", words);
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

bool slower(const Cost& a, const Cost& b) {
  const auto [fastest, ignored] = time_range(a);
  const auto [unused, slowest] = time_range(b);
  return fastest > slowest && a.ms_per_image > b.ms_per_image * (1 + kTimeMargin);
}

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
  const ModelResult& closest = best_of(models, lowest_psnr);
  if (const double psnr = lowest_psnr(closest); psnr > -kInfinity) {
    const auto* worst = worst_output(closest);
    const auto as_good = [&](const ModelResult& m) { return lowest_psnr(m) >= psnr - kDbMargin; };
    list.push_back({"accuracy", closest.name,
                    (worst ? fmt::format("lowest PSNR {:.1f} dB (output {})", psnr, worst->first)
                           : std::string("all outputs equal the float model's")) +
                        others(models, closest, as_good, worst ? "within 0.5 dB" : "too")});
  }
  const ModelResult& smallest = best_of(models, size_value);
  const auto as_small = [&](const ModelResult& m) {
    return size_value(smallest) - size_value(m) <= kSizeMargin;
  };
  list.push_back({"size", smallest.name,
                  fmt::format("{} MB, {}", cli::megabytes(smallest.cost.size_bytes),
                              size_gain(r.reference.cost.size_bytes, smallest.cost.size_bytes)) +
                      others(models, smallest, as_small, "within 1 %")});
  const ModelResult& fastest = best_of(models, speed_value);
  const auto as_fast = [&](const ModelResult& m) { return !slower(m.cost, fastest.cost); };
  list.push_back({"speed", fastest.name,
                  fmt::format("{} ms per image, {}", cli::milliseconds(fastest.cost.ms_per_image),
                              speed_gain(r.reference.cost, fastest.cost)) +
                      others(models, fastest, as_fast, "as fast within the spread of the runs")});
  return list;
}

}  // namespace vqt
