#include "eval/compare/accuracy_limit.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

#include "eval/compare/best_models.h"
#include "vqt/error.h"

namespace vqt {
namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const char* const kPsnr = "psnr";

// The name in a limit; "accuracy" alone would be ambiguous.
std::string name_of(const TruthMetric& m) {
  return std::string(m.group) == "points" ? fmt::format("points.{}", m.key) : m.key;
}

const TruthMetric* truth_metric(const std::string& metric) {
  const auto found = std::find_if(kTruthMetrics.begin(), kTruthMetrics.end(),
                                  [&](const TruthMetric& m) { return name_of(m) == metric; });
  return found == kTruthMetrics.end() ? nullptr : &*found;
}

double truth_value(const std::string& metric, const std::optional<TruthScores>& scores) {
  if (!scores) return kNan;
  return scores->metrics[truth_metric(metric) - kTruthMetrics.data()].value.value_or(kNan);
}

std::string all_names() {
  std::vector<std::string> names = {kPsnr};
  for (const TruthMetric& m : kTruthMetrics) names.push_back(name_of(m));
  return fmt::format("{}", fmt::join(names, ", "));
}

double number(const std::string& text, const std::string& whole) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0' || !std::isfinite(value)) {
    throw UsageError(fmt::format(
        "expected METRIC=VALUE with a number, as in psnr=35, auc_30=-2 or abs_rel=+5%, got {}", whole));
  }
  return value;
}

}  // namespace

Limit parse_limit(const std::string& text) {
  const size_t equals = text.find('=');
  Limit limit{text, text.substr(0, equals)};
  const TruthMetric* metric = truth_metric(limit.metric);
  if (!metric && limit.metric != kPsnr)
    throw UsageError(fmt::format("unknown metric {}; expected one of {}", limit.metric, all_names()));
  std::string value = equals == std::string::npos ? "" : text.substr(equals + 1);
  const bool sign = !value.empty() && (value[0] == '+' || value[0] == '-');
  const bool percent = !value.empty() && value.back() == '%';
  if (percent) value.pop_back();
  limit.value = number(value, text);
  if (!metric) {
    if (sign || percent)
      throw UsageError(fmt::format(
          "psnr is relative to the float model already; expected dB as in psnr=35, got {}", text));
    return limit;
  }
  if (!sign) {
    if (percent)
      throw UsageError(
          fmt::format("a share of the float model's value needs a sign, as in abs_rel=+5%; got {}", text));
    return limit;
  }
  limit.kind = percent ? Limit::Kind::kPercent : Limit::Kind::kChange;
  if (value[0] != (metric->more_is_better ? '-' : '+')) {
    throw UsageError(fmt::format("{}: {} is better: expected how far it may {}, as in {}={}, got {}",
                                 limit.metric, metric->more_is_better ? "higher" : "lower",
                                 metric->more_is_better ? "fall" : "rise", limit.metric,
                                 (metric->more_is_better ? '-' : '+') + text.substr(equals + 2), text));
  }
  return limit;
}

bool needs_truth(const std::string& metric) { return metric != kPsnr; }

bool more_is_better(const std::string& metric) {
  const TruthMetric* found = truth_metric(metric);
  return !found || found->more_is_better;
}

double value_of(const std::string& metric, const ModelResult& model) {
  if (needs_truth(metric)) return truth_value(metric, model.truth);
  const double psnr = lowest_psnr(model);
  return is_finite(model) && psnr > -kInfinity ? psnr : kNan;
}

double value_of(const std::string& metric, const ReferenceResult& reference) {
  return needs_truth(metric) ? truth_value(metric, reference.truth) : kInfinity;
}

double bound_of(const Limit& limit, const ReferenceResult& reference) {
  const double base = value_of(limit.metric, reference);
  switch (limit.kind) {
    case Limit::Kind::kChange:
      return base + limit.value;
    case Limit::Kind::kPercent:
      return base * (1 + limit.value / 100);
    case Limit::Kind::kAbsolute:
      break;
  }
  return limit.value;
}

bool holds(const Limit& limit, double bound, double value) {
  return more_is_better(limit.metric) ? value >= bound : value <= bound;
}

double budget_used(const Limit& limit, double bound, double from, double to) {
  const auto loss = [&](double v) { return needs_truth(limit.metric) ? v : -std::pow(10, -v / 10); };
  const double budget = loss(from) - loss(bound), taken = loss(from) - loss(to);
  if (std::isnan(taken)) return kInfinity;
  if (budget == 0) return taken == 0 || (taken < 0) == more_is_better(limit.metric) ? 0 : kInfinity;
  return std::max(0.0, taken / budget);
}

std::string value_text(const std::string& metric, double value) {
  if (std::isnan(value)) return "-";
  const TruthMetric* truth = truth_metric(metric);
  if (!truth) return std::isinf(value) ? "inf" : fmt::format("{:.1f} dB", value);
  const std::string unit = truth->unit;
  return fmt::format("{:.{}f}{}", value, truth->digits,
                     unit == "%"         ? " %"
                     : unit == "degrees" ? " degrees"
                                         : "");
}

std::string title_of(const std::string& metric) {
  const TruthMetric* truth = truth_metric(metric);
  if (!truth) return "lowest PSNR";
  return std::string(truth->group) == "points" ? fmt::format("points {}", truth->title) : truth->title;
}

std::string describe(const Limit& limit, const ReferenceResult& reference) {
  std::string text =
      fmt::format("{} {} {}", title_of(limit.metric), more_is_better(limit.metric) ? "at least" : "at most",
                  value_text(limit.metric, bound_of(limit, reference)));
  if (needs_truth(limit.metric))
    text += fmt::format(" (float model: {})", value_text(limit.metric, value_of(limit.metric, reference)));
  return text;
}

}  // namespace vqt
